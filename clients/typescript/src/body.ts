import { VisageError } from './error.js';

/** A request of Node's `http`, as Express has it; Fastify has it as `request.raw`. */
interface Incoming extends AsyncIterable<Uint8Array> {
  headers: Record<string, string | string[] | undefined>;
}

/** A request of the web platform, as frameworks on edge runtimes have it. */
interface WebRequest {
  headers: { get(name: string): string | null };
  body: ReadableStream<Uint8Array> | null;
}

/**
 * A picture: its bytes, a file, a stream of them, or the request of a browser that brings it, as its body or in a form with the field
 * `file`. A request or stream is passed on as it comes and must not have been read. It can be sent only once, so is never tried again.
 */
export type Picture =
  | Blob
  | ArrayBuffer
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Incoming
  | WebRequest;

/** What `fetch` sends. */
export interface Body {
  content: NonNullable<RequestInit['body']>;
  type?: string;
  /** Whether it can be sent only once. */
  once: boolean;
  /** Why it could not be read to its end. Whatever sends it may give the error in its own words. */
  failure?: VisageError;
}

/** @throws TypeError if it is none of what a picture can be, or has been read */
export function bodyOf(picture: Picture): Body {
  if (picture instanceof Blob || picture instanceof ArrayBuffer || ArrayBuffer.isView(picture)) {
    return { content: picture as Body['content'], once: false };
  }
  if (picture instanceof ReadableStream) return { content: unread(picture), once: true };
  if (!('headers' in picture)) return streamed(picture);
  const type = typeOf(picture.headers);
  const ofWeb = 'body' in picture && picture.body instanceof ReadableStream ? picture.body : undefined;
  const body: Body = ofWeb ? { content: unread(ofWeb), once: true } : streamed(picture);
  if (type !== undefined) body.type = type;
  return body;
}

function unread(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  if (stream.locked) throw new TypeError(READ);
  return stream;
}

function typeOf(headers: Incoming['headers'] | WebRequest['headers']): string | undefined {
  const type = isWeb(headers) ? headers.get('content-type') : headers['content-type'];
  return typeof type === 'string' ? type : undefined;
}

function isWeb(headers: Incoming['headers'] | WebRequest['headers']): headers is WebRequest['headers'] {
  return typeof headers.get === 'function';
}

/** What Node's streams have beside their bytes. */
interface NodeStream {
  readableDidRead?: boolean;
  iterator?: (options: { destroyOnReturn: boolean }) => AsyncIterator<Uint8Array>;
}

const READ = 'The picture has been read already: turn off what parses bodies on this route.';

function streamed(source: object): Body {
  if (!(Symbol.asyncIterator in source)) {
    throw new TypeError('The picture has to be bytes, a file, a stream, or a request that has a body.');
  }
  const { readableDidRead, iterator: iteratorOf } = source as NodeStream;
  if (readableDidRead === true) throw new TypeError(READ);
  // A request that isn't read to its end stays open, or its sender would get no answer.
  const iterator =
    iteratorOf?.call(source, { destroyOnReturn: !('headers' in source) }) ??
    (source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  const content = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const result = await iterator.next();
        if (result.done === true) controller.close();
        else controller.enqueue(result.value);
      } catch (cause) {
        const detail = 'The picture could not be read to its end: look at the cause.';
        body.failure = new VisageError({ code: 'truncated_body', detail }, undefined, 1, { cause });
        controller.error(body.failure);
      }
    },
    async cancel() {
      await iterator.return?.();
    },
  });
  const body: Body = { content, once: true };
  return body;
}
