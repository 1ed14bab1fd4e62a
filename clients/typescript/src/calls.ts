import type { Body } from './body.js';
import { type Problem, VisageError } from './error.js';

/** A call, and how often it may be made. */
export interface Call {
  method: string;
  url: string;
  headers: Record<string, string>;
  body?: Body;
  /** For all tries together, in ms. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

const MOST_TRIES = 5;
/** Before the second try after a lost connection; it doubles from try to try. */
const FIRST_PAUSE_MS = 200;

/**
 * Makes a call, and again after a lost connection, and after a 503 when its `Retry-After` is over, as long as there is time.
 * @param read takes what is needed of a successful answer. It is within the time, too, and what it throws loses the answer
 * @throws VisageError what the service refuses, `no_connection`, `timeout`, `unexpected_answer`
 * @throws what `signal` was aborted with
 */
export async function make<T>(call: Call, read: (answer: Response) => Promise<T>): Promise<T> {
  const end = performance.now() + call.timeoutMs;
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort();
  }, call.timeoutMs);
  const signal = call.signal ? AbortSignal.any([call.signal, late.signal]) : late.signal;
  try {
    for (let tries = 1; ; tries++) {
      const outcome = await attempt(call, signal, tries, read);
      if ('value' in outcome) return outcome.value;
      const { failure } = outcome;
      call.signal?.throwIfAborted();
      if (late.signal.aborted) throw timeout(call, tries);
      const pauseMs = pauseAfter(failure, tries);
      const over = call.body?.once === true || tries === MOST_TRIES || pauseMs === undefined;
      if (over || performance.now() + pauseMs >= end) throw failure;
      await pause(pauseMs, signal);
      call.signal?.throwIfAborted();
    }
  } finally {
    clearTimeout(timer);
  }
}

async function attempt<T>(
  { method, url, headers, body }: Call,
  signal: AbortSignal,
  tries: number,
  read: (answer: Response) => Promise<T>,
): Promise<{ value: T } | { failure: VisageError }> {
  let answer: Response;
  try {
    const init = { method, headers, signal, ...(body && { body: body.content }) };
    // https://fetch.spec.whatwg.org/#dom-requestinit-duplex: needed for streams, and not in all types yet.
    answer = await fetch(url, body?.once === true ? ({ ...init, duplex: 'half' } as RequestInit) : init);
    if (answer.ok) return { value: await read(answer) };
  } catch (cause) {
    if (cause instanceof VisageError) return { failure: new VisageError(cause.problem, undefined, tries) };
    if (body?.failure) return { failure: body.failure };
    const detail = `There is no answer from ${new URL(url).origin}.`;
    return { failure: new VisageError({ code: 'no_connection', detail }, undefined, tries, { cause }) };
  }
  const problem = await problemOf(answer);
  return { failure: new VisageError(problem, retryAfterMs(answer), tries) };
}

/** In ms; undefined: it would fail again. */
function pauseAfter({ code, status, retryAfterMs: asked }: VisageError, tries: number): number | undefined {
  const own = FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random());
  if (code === 'no_connection') return own;
  if (status !== 503) return undefined;
  // A proxy may say nothing. If Visage says nothing, waiting doesn't help.
  return asked ?? (code === 'unexpected_answer' ? own : undefined);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

function timeout({ timeoutMs, method, url }: Call, tries: number): VisageError {
  const detail = `${method} ${new URL(url).pathname} had no answer within ${timeoutMs} ms.`;
  return new VisageError({ code: 'timeout', detail }, undefined, tries);
}

async function problemOf(answer: Response): Promise<Problem> {
  const json = (await answer.json().catch(() => undefined)) as Partial<Problem> | null | undefined;
  if (typeof json?.code === 'string') return { detail: '', ...json, code: json.code };
  return unexpected(answer);
}

/** @throws VisageError if it isn't what Visage answers */
export async function json<T>(answer: Response): Promise<T> {
  const type = answer.headers.get('content-type') ?? '';
  if (!type.startsWith('application/json')) throw new VisageError(unexpected(answer));
  return (await answer.json()) as T;
}

function unexpected({ status, url, headers }: Response): Problem {
  const type = headers.get('content-type') ?? 'nothing';
  const detail = `${new URL(url).origin} answers ${status} with ${type}, unlike Visage: look at baseUrl, and at what is in between.`;
  return { code: 'unexpected_answer', status, detail };
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3: seconds, or from a proxy an instant. */
function retryAfterMs({ headers }: Response): number | undefined {
  const text = headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
