import { VisageError, noConnection } from './problem.js';
import type { Ticket } from './tickets.js';

/** A stored picture, as the service describes it. */
export interface Answer {
  version: string;
  /** Immutable URLs by their edge in px, and of the `master`. */
  urls: Record<string, string>;
  uploadedAt: string;
  color: string;
  thumbhash: string;
  alt?: string;
  /** Whether it waits to be stored in the bucket. */
  pending?: boolean;
  [field: string]: unknown;
}

/** What to upload. */
export interface Upload {
  file: Blob;
  fields: Readonly<Record<string, string>>;
}

/**
 * Calls the service.
 * @param base of the service, with a slash at its end
 * @param path below the avatar of the ticket
 * @returns the JSON of the answer; undefined if it has none
 * @throws VisageError what the service refuses, `no_connection` also if it is cancelled
 */
export async function call(
  base: string,
  ticket: Ticket,
  signal: AbortSignal,
  method: string,
  path = '',
  body?: object,
): Promise<unknown> {
  const url = urlOf(base, ticket, path);
  const init = { method, signal, headers: headersOf(ticket), ...(body && { body: JSON.stringify(body) }) };
  const answer = await fetch(url, init).catch(() => {
    throw noConnection(url.origin);
  });
  const json: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return json;
  throw problemOf(answer.status, answer.headers.get('Retry-After'), json);
}

/**
 * Uploads a picture. With XMLHttpRequest, since fetch tells nothing of what has been sent.
 * @param base of the service, with a slash at its end
 * @param progress is told which part of the bytes has been sent, 0 to 1
 * @throws VisageError what the service refuses, `no_connection` also if it is cancelled
 */
export function sendPicture(
  base: string,
  ticket: Ticket,
  { file, fields }: Upload,
  signal: AbortSignal,
  progress: (part: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const url = urlOf(base, ticket, `?${new URLSearchParams(fields).toString()}`);
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headersOf(ticket))) request.setRequestHeader(name, value);
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => {
      progress(total === 0 ? 0 : loaded / total);
    };
    request.onload = () => {
      const { status } = request;
      if (status < 300 && request.response !== null) resolve(request.response as Answer);
      else reject(problemOf(status, request.getResponseHeader('Retry-After'), request.response));
    };
    request.onerror = request.onabort = () => {
      reject(noConnection(url.origin));
    };
    signal.addEventListener('abort', () => {
      request.abort();
    });
    request.send(file);
  });
}

/** The URL of the smallest picture that is large enough, or of the largest. @param edge in px */
export function urlFor({ urls }: Answer, edge: number): string {
  // Edges come in order, since they are whole numbers, and `master` last.
  return urls[Object.keys(urls).find((one) => Number(one) >= edge) ?? 'master'] ?? '';
}

function urlOf(base: string, { id }: Ticket, path: string): URL {
  return new URL(`v1/avatars/${encodeURIComponent(id)}${path}`, base);
}

function headersOf({ text }: Ticket): Record<string, string> {
  return { Authorization: `Bearer ${text}` };
}

function problemOf(status: number, retryAfter: string | null, problem: unknown): VisageError {
  const { code, detail, reason } = (problem ?? {}) as Partial<Record<string, string>>;
  return new VisageError(code ?? 'unknown', detail ?? `The service answers ${status}.`, {
    status,
    reason,
    // A proxy may send a date.
    retryAfter: Number(retryAfter) || undefined,
  });
}
