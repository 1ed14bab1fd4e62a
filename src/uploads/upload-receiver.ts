import type { IncomingMessage, ServerResponse } from 'node:http';
import multer, { MulterError, type StorageEngine } from 'multer';
import { CodedError } from '../errors.js';
import { RequestBody, assertNotEncoded, inTime, tooBusy, truncated } from './request-body.js';
import { LEAST_BUFFER_BYTES, SpooledUpload, tooLarge } from './spooled-upload.js';

export interface UploadReceiverOptions {
  spoolPath: string;
  maxBytes: number;
  /** How long a client may be waited for, in ms; see `inTime`. */
  timeoutMs: number;
  /** Uploads that may be on their way at the same time. */
  concurrency: number;
}

/** A whole upload: where it lies, what it hashes to, and the other fields of its form. */
export interface ReceivedUpload {
  path: string;
  sha256: string;
  fields: Readonly<Record<string, unknown>>;
}

/** Room for boundaries, headers and fields around a file. */
export const FORM_OVERHEAD_BYTES = 64 * 1024;

/** What one upload may have waiting in memory to be written, and what those on their way share beyond their least. */
const MOST_BUFFER_BYTES = 1024 * 1024;
const SHARED_BUFFER_BYTES = 4 * MOST_BUFFER_BYTES;

/**
 * The part of the deadline that an upload has to have waited for us for others to be refused at once. Those that are under way share
 * what the machine can do: with more of them each takes longer, until none is in time.
 */
const HELD_UP = 0.25;

const FORM_LIMITS = { files: 1, fields: 4, parts: 6, fieldSize: 1024, fieldNameSize: 100, headerPairs: 20 };

/** Takes in what clients send: a form with one field `file`, or the bare picture as the body. */
export class UploadReceiver {
  private receiving = 0;
  private readonly arriving = new Set<RequestBody>();

  constructor(private readonly options: UploadReceiverOptions) {}

  /** Uploads that are on their way or being worked on now. */
  get underWay(): number {
    return this.receiving;
  }

  /**
   * Receives an upload, lets `use` work with it, and removes it again whatever happens.
   * @throws CodedError for every way in which an upload can be wrong; the request may then be unread in part
   */
  async receive<T>(
    request: IncomingMessage,
    response: ServerResponse,
    use: (upload: ReceivedUpload) => Promise<T>,
  ): Promise<T> {
    assertNotEncoded(request);
    this.assertSize(request);
    if (this.receiving >= this.options.concurrency) {
      throw new CodedError('busy', 'Too many uploads are on their way. Try again shortly.');
    }
    if (this.areHeldUp()) throw tooBusy();
    this.receiving++;
    const { spoolPath, maxBytes } = this.options;
    const spooled = new SpooledUpload(spoolPath, maxBytes, this.bufferBytes());
    const body = new RequestBody(request, this.allowedBytes(request), () => tooLarge(maxBytes));
    try {
      const fields = await this.takeIn(request, body, () =>
        isForm(request) ? receiveForm(body, response, spooled) : receiveBare(body, spooled),
      );
      return await use({ path: spooled.path, sha256: spooled.digest(), fields });
    } finally {
      this.receiving--;
      body.destroy();
      await spooled.discard();
    }
  }

  private async takeIn<T>(request: IncomingMessage, body: RequestBody, task: () => Promise<T>): Promise<T> {
    this.arriving.add(body);
    try {
      return await inTime(request, body, this.options.timeoutMs, task);
    } finally {
      this.arriving.delete(body);
    }
  }

  /** Whether uploads are under way that had to wait for us for long. */
  private areHeldUp(): boolean {
    const tooLong = HELD_UP * this.options.timeoutMs;
    return [...this.arriving].some(({ waiting }) => waiting.forUs >= tooLong);
  }

  /** Few at a time are written sooner, many take no more memory. */
  private bufferBytes(): number {
    const share = Math.floor(SHARED_BUFFER_BYTES / this.receiving);
    return Math.min(MOST_BUFFER_BYTES, Math.max(LEAST_BUFFER_BYTES, share));
  }

  /** What says beforehand that it is too large is refused before a byte of it is read. */
  private assertSize(request: IncomingMessage): void {
    if (Number(request.headers['content-length'] ?? 0) > this.allowedBytes(request)) {
      throw tooLarge(this.options.maxBytes);
    }
  }

  private allowedBytes(request: IncomingMessage): number {
    return this.options.maxBytes + (isForm(request) ? FORM_OVERHEAD_BYTES : 0);
  }
}

async function receiveBare(body: RequestBody, spooled: SpooledUpload): Promise<Record<string, never>> {
  const { 'content-length': length, 'transfer-encoding': encoding } = body.headers;
  if (length === undefined && encoding === undefined) {
    throw new CodedError('no_file', 'Send the picture as the body, or as the field "file" of a form.');
  }
  body.start();
  await spooled.write(body);
  return {};
}

async function receiveForm(
  body: RequestBody,
  response: ServerResponse,
  spooled: SpooledUpload,
): Promise<Record<string, unknown>> {
  const boundary = boundaryOf(body);
  return new Promise((resolve, reject) => {
    let stored = false;
    const engine: StorageEngine = {
      _handleFile(_request, file, done) {
        spooled.write(file.stream).then(() => {
          stored = true;
          done(null, {});
        }, reject);
        // After a failure multer is not told: it would read the rest of the body, however long that is.
      },
      _removeFile(_request, _file, done) {
        done(null);
      },
    };
    const finish = (error: unknown) => {
      const fields = (body as RequestBody & { body?: Record<string, unknown> }).body ?? {};
      if (error) reject(formError(error, body.beginsWith(`--${boundary}`)));
      else if (!stored) reject(noFile('file' in fields));
      else resolve(fields);
    };
    type Middleware = (
      request: RequestBody,
      response: ServerResponse,
      next: (error?: unknown) => void,
    ) => void;
    const middleware = multer({ storage: engine, limits: FORM_LIMITS }).single(
      'file',
    ) as unknown as Middleware;
    body.once('error', reject);
    body.start();
    middleware(body, response, finish);
  });
}

function boundaryOf({ headers }: RequestBody): string {
  const [, quoted, plain] =
    /;\s*boundary=(?:"([^"]+)"|([^";\s]+))/i.exec(headers['content-type'] ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) throw new CodedError('invalid_boundary', 'The Content-Type names no boundary.');
  return boundary;
}

/** @param begun whether the form's boundary was seen */
function formError(error: unknown, begun: boolean): CodedError {
  if (error instanceof CodedError) return error;
  if (error instanceof MulterError) {
    if (
      error.code === 'LIMIT_FILE_COUNT' ||
      (error.code === 'LIMIT_UNEXPECTED_FILE' && error.field === 'file')
    ) {
      return new CodedError('too_many_files', 'Send one file, in one field "file".', { parameter: 'file' });
    }
    if (error.code === 'LIMIT_FIELD_VALUE' && error.field === 'file') return noFile(true);
    if (error.code === 'LIMIT_UNEXPECTED_FILE') {
      return new CodedError('unexpected_field', 'The file has to be in the field "file".', {
        parameter: 'file',
      });
    }
    return new CodedError('invalid_form', `The form is not acceptable: ${error.message}.`, { cause: error });
  }
  const { message } = error as Error;
  if (/boundary/i.test(message)) {
    return new CodedError('invalid_boundary', 'The Content-Type names no boundary.', { cause: error });
  }
  if (/unexpected end|aborted|closed/i.test(message)) {
    return begun
      ? truncated('The form ends before its last boundary.', error)
      : new CodedError('invalid_boundary', 'The boundary of the Content-Type does not occur in the body.', {
          cause: error,
        });
  }
  return new CodedError('invalid_form', 'The form cannot be parsed.', { cause: error });
}

/** @param asText whether the field is there, as text */
function noFile(asText: boolean): CodedError {
  const detail = asText
    ? 'The field "file" is text: send it as a file, with a file name.'
    : 'The form has no field "file".';
  return new CodedError('no_file', detail, { parameter: 'file' });
}

export function isForm(request: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '');
}
