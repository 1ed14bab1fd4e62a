import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { CodedError } from '../errors.js';
import { Waiting } from './waiting.js';

/** How much of the beginning is kept for `beginsWith`. */
const HEAD_BYTES = 1024;

/** How many times longer a client waits for us than we wait for it. */
const CLIENT_PATIENCE = 2;

/**
 * How many times longer a body may take in all. A client that sends almost nothing to a busy process would
 * otherwise have many times as long.
 */
const LONGEST = 3;

/** The longest delay of setTimeout, in ms: it takes more for 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * The body of a request as it arrives. It can be destroyed at any time, which ends whatever reads it and
 * leaves the request open to be answered.
 */
export class RequestBody extends Transform {
  /** Form parsers expect them of a request. */
  readonly headers: IncomingHttpHeaders;
  readonly waiting = new Waiting();
  private readonly beginning: Buffer[] = [];
  private bytes = 0;

  /**
   * @param allowedBytes how many may arrive
   * @param tooLarge makes the error that the first byte beyond ends the body with
   */
  constructor(
    private readonly request: IncomingMessage,
    private readonly allowedBytes: number,
    private readonly tooLarge: () => CodedError,
  ) {
    super();
    this.headers = request.headers;
    // Its reader learns of errors. One that comes after the reader has gone must not end the process.
    this.on('error', () => undefined);
  }

  /** Whether the request has a body, even an empty one (RFC 9112, section 6.3). */
  get isAnnounced(): boolean {
    return this.headers['content-length'] !== undefined || this.headers['transfer-encoding'] !== undefined;
  }

  /** Starts to read the request. */
  start(): void {
    this.request.on('pause', () => {
      this.waiting.pause();
    });
    this.request.on('resume', () => {
      this.waiting.read();
    });
    this.request.once('end', () => {
      this.waiting.pause();
    });
    this.waiting.read();
    this.request.pipe(this);
  }

  /** Whether these characters are within the first 1024 bytes that have arrived. */
  beginsWith(text: string): boolean {
    return Buffer.concat(this.beginning).includes(text, 0, 'latin1');
  }

  /**
   * Multer unpipes, throws away the rest of the body, however long it is, and then reports its error. This
   * ends it at once.
   */
  override unpipe(destination?: NodeJS.WritableStream): this {
    super.unpipe(destination);
    return this.destroy();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.waiting.progress();
    if (this.bytes < HEAD_BYTES) this.beginning.push(chunk.subarray(0, HEAD_BYTES - this.bytes));
    this.bytes += chunk.length;
    if (this.bytes > this.allowedBytes) done(this.tooLarge());
    else done(null, chunk);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.request.unpipe(this);
    done(error);
  }
}

/**
 * Runs a task that reads a body, and ends the body if a deadline passes or the client goes.
 * @param timeoutMs how long we wait for the client, in ms; it may have to wait for us for twice as long, and
 * for three times as long in all
 * @throws CodedError `upload_timeout`, `busy`, `truncated_body`
 */
export async function withDeadline<T>(
  request: IncomingMessage,
  body: RequestBody,
  timeoutMs: number,
  task: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let checking: NodeJS.Immediate | undefined;
  const check = () => {
    const { forClient, forUs, total } = body.waiting;
    const ours = CLIENT_PATIENCE * timeoutMs - forUs;
    const theirs = Math.min(timeoutMs - forClient, LONGEST * timeoutMs - total);
    const left = request.complete ? ours : Math.min(ours, theirs);
    if (left > 0) wait(left);
    else body.destroy(ours <= 0 ? tooBusy() : tooSlow(timeoutMs));
  };
  const wait = (ms: number) => {
    timer = setTimeout(
      () => {
        // Bytes that arrived while the process was busy are read before the check.
        checking = setImmediate(check);
      },
      Math.min(ms, MAX_DELAY_MS),
    );
  };
  wait(timeoutMs);
  const onClose = () => {
    // Node also throws away the unread part of a body that has arrived whole.
    if (!request.readableEnded)
      body.destroy(truncated('The connection closed before the whole body was read. Send it again.'));
  };
  request.once('close', onClose);
  if (request.destroyed) onClose();
  try {
    return await task();
  } finally {
    clearTimeout(timer);
    clearImmediate(checking);
    request.off('close', onClose);
  }
}

function tooSlow(timeoutMs: number): CodedError {
  const detail = `The body did not arrive within ${timeoutMs / 1000} seconds. Send it again.`;
  return new CodedError('upload_timeout', detail);
}

export function tooBusy(): CodedError {
  return new CodedError('busy', 'The service is too busy to receive the body. Try again shortly.');
}

/** @throws CodedError `unsupported_encoding` */
export function assertNotEncoded({ headers }: IncomingMessage): void {
  if (/^\s*(identity\s*)?$/i.test(headers['content-encoding'] ?? '')) return;
  throw new CodedError(
    'unsupported_encoding',
    'Compressed bodies are not accepted. Send the body as it is, without a Content-Encoding.',
    { parameter: 'Content-Encoding' },
  );
}

export function truncated(message: string, cause?: unknown): CodedError {
  return new CodedError('truncated_body', message, cause === undefined ? {} : { cause });
}
