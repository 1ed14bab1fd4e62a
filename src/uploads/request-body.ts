import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { CodedError } from '../errors.js';
import { Waiting } from './waiting.js';

/** How much of the beginning is kept to look at. */
const HEAD_BYTES = 1024;

/** How much longer a client waits for us than we wait for it. */
const CLIENT_PATIENCE = 2;

/** setTimeout takes more for 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * The body of a request on its way. It can be destroyed at any time, which ends all that reads it, and the request is still
 * there to be answered.
 */
export class RequestBody extends Transform {
  /** What form parsers expect of a request. */
  readonly headers: IncomingHttpHeaders;
  readonly waiting = new Waiting();
  private readonly beginning: Buffer[] = [];
  private bytes = 0;

  /**
   * @param allowedBytes how many may come
   * @param tooLarge what the next one ends it with
   */
  constructor(
    private readonly request: IncomingMessage,
    private readonly allowedBytes: number,
    private readonly tooLarge: () => CodedError,
  ) {
    super();
    this.headers = request.headers;
    // Whoever reads it learns of errors; one that comes when nobody does any more must not end the process.
    this.on('error', () => undefined);
  }

  /** Begins to take in. */
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

  /** Whether these characters stand at or near the beginning of what has come. */
  beginsWith(text: string): boolean {
    return Buffer.concat(this.beginning).includes(text, 0, 'latin1');
  }

  /** Multer stops reading before it throws away what is left, however long that is, and then tells what was wrong. */
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
 * Runs what reads a body, and ends the body where a deadline passes or the client goes.
 * @param timeoutMs how long the client may be waited for; it may have to wait for us for twice that
 * @throws CodedError `upload_timeout`, `busy`, `truncated_body`
 */
export async function inTime<T>(
  request: IncomingMessage,
  body: RequestBody,
  timeoutMs: number,
  task: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let looking: NodeJS.Immediate | undefined;
  const look = () => {
    const { forClient, forUs } = body.waiting;
    const ours = CLIENT_PATIENCE * timeoutMs - forUs;
    const left = request.complete ? ours : Math.min(ours, timeoutMs - forClient);
    if (left > 0) wait(left);
    else if (ours <= 0) body.destroy(tooBusy());
    else {
      const seconds = timeoutMs / 1000;
      body.destroy(new CodedError('upload_timeout', `The body did not arrive within ${seconds} seconds.`));
    }
  };
  const wait = (ms: number) => {
    timer = setTimeout(
      () => {
        // What came while we were busy is read before the look.
        looking = setImmediate(look);
      },
      Math.min(ms, MAX_DELAY_MS),
    );
  };
  wait(timeoutMs);
  const onClose = () => {
    // Of a body that has arrived Node throws away what was not read yet, too.
    if (!request.readableEnded) body.destroy(truncated('The connection closed before the end of the body.'));
  };
  request.once('close', onClose);
  if (request.destroyed) onClose();
  try {
    return await task();
  } finally {
    clearTimeout(timer);
    clearImmediate(looking);
    request.off('close', onClose);
  }
}

export function tooBusy(): CodedError {
  return new CodedError('busy', 'Bodies are taken in too slowly here at the moment. Try again shortly.');
}

/** @throws CodedError `unsupported_encoding` */
export function assertNotEncoded({ headers }: IncomingMessage): void {
  if (/^\s*(identity\s*)?$/i.test(headers['content-encoding'] ?? '')) return;
  throw new CodedError('unsupported_encoding', 'Send the body as it is, without a Content-Encoding.', {
    parameter: 'Content-Encoding',
  });
}

export function truncated(message: string, cause?: unknown): CodedError {
  return new CodedError('truncated_body', message, cause === undefined ? {} : { cause });
}
