import { VisageError } from './problem.js';
import type { Ticket } from './tickets.js';

/** A stored picture, as the service describes it. */
export interface Answer {
  version: string;
  /** Immutable URLs by their edge in px. */
  urls: Record<string, string>;
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
 * Uploads a picture. With XMLHttpRequest, since fetch tells nothing of what has been sent.
 * @param base of the service, with a slash at its end
 * @param progress is told which part of the bytes has been sent, 0 to 1
 * @throws VisageError what the service refuses, `no_connection`
 * @throws DOMException AbortError
 */
export function sendPicture(
  base: string,
  { text, id }: Ticket,
  { file, fields }: Upload,
  signal: AbortSignal,
  progress: (part: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const query = new URLSearchParams(fields).toString();
    const url = new URL(`v1/avatars/${encodeURIComponent(id)}?${query}`, base);
    request.open('PUT', url);
    request.setRequestHeader('Authorization', `Bearer ${text}`);
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => {
      progress(total === 0 ? 0 : loaded / total);
    };
    request.onload = () => {
      const { status } = request;
      if (status >= 200 && status < 300 && request.response !== null) resolve(request.response as Answer);
      else reject(problemOf(request));
    };
    request.onerror = () => {
      reject(new VisageError('no_connection', `There is no answer from ${url.origin}.`));
    };
    request.onabort = () => {
      reject(signal.reason as DOMException);
    };
    signal.addEventListener('abort', () => {
      request.abort();
    });
    request.send(file);
  });
}

function problemOf(request: XMLHttpRequest): VisageError {
  const { status } = request;
  const { code, detail, reason } = (request.response ?? {}) as Partial<Record<string, string>>;
  const seconds = Number(request.getResponseHeader('Retry-After') ?? NaN);
  return new VisageError(code ?? 'internal', detail ?? `The service answers ${status}.`, {
    status,
    ...(reason !== undefined && { reason }),
    ...(Number.isFinite(seconds) && { retryAfter: seconds }),
  });
}
