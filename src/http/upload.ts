import type { IncomingMessage, ServerResponse } from 'node:http';
import multer, { MulterError, type StorageEngine } from 'multer';
import { CodedError } from '../errors.js';
import { SpooledUpload, tooLarge } from './spool.js';

export interface UploadReceiverOptions {
  spoolPath: string;
  maxBytes: number;
  /** How long a body may take to arrive, in ms. */
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
const FORM_OVERHEAD_BYTES = 64 * 1024;

const FORM_LIMITS = { files: 1, fields: 4, parts: 6, fieldSize: 1024, fieldNameSize: 100, headerPairs: 20 };

/** Takes in what clients send: a form with one field `file`, or the bare picture as the body. */
export class UploadReceiver {
  private receiving = 0;

  constructor(private readonly options: UploadReceiverOptions) {}

  /**
   * Receives an upload, lets `use` work with it, and removes it again whatever happens.
   * @throws CodedError for every way in which an upload can be wrong; the request may then be unread in part
   */
  async receive<T>(
    request: IncomingMessage,
    response: ServerResponse,
    use: (upload: ReceivedUpload) => Promise<T>,
  ): Promise<T> {
    this.assertSize(request);
    if (this.receiving >= this.options.concurrency) {
      throw new CodedError('busy', 'Too many uploads are on their way. Try again shortly.');
    }
    this.receiving++;
    const spooled = new SpooledUpload(this.options.spoolPath, this.options.maxBytes);
    try {
      const fields = await this.inTime(request, () =>
        isForm(request) ? receiveForm(request, response, spooled) : receiveBare(request, spooled),
      );
      return await use({ path: spooled.path, sha256: spooled.digest(), fields });
    } finally {
      this.receiving--;
      await spooled.discard();
    }
  }

  /** What says beforehand that it is too large is refused before a byte of it is read. */
  private assertSize(request: IncomingMessage): void {
    const { maxBytes } = this.options;
    const allowed = isForm(request) ? maxBytes + FORM_OVERHEAD_BYTES : maxBytes;
    if (Number(request.headers['content-length'] ?? 0) > allowed) throw tooLarge(maxBytes);
  }

  private async inTime<T>(request: IncomingMessage, task: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let onClose: (() => void) | undefined;
    const interrupted = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const seconds = this.options.timeoutMs / 1000;
        reject(new CodedError('upload_timeout', `The body did not arrive within ${seconds} seconds.`));
      }, this.options.timeoutMs);
      onClose = () => {
        if (!request.complete) reject(truncated('The connection closed before the end of the body.'));
      };
      request.once('close', onClose);
    });
    try {
      return await Promise.race([task(), interrupted]);
    } finally {
      clearTimeout(timer);
      if (onClose) request.off('close', onClose);
    }
  }
}

async function receiveBare(request: IncomingMessage, spooled: SpooledUpload): Promise<Record<string, never>> {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  if (length === undefined && encoding === undefined) {
    throw new CodedError('no_file', 'Send the picture as the body, or as the field "file" of a form.');
  }
  await spooled.write(request);
  return {};
}

function receiveForm(
  request: IncomingMessage,
  response: ServerResponse,
  spooled: SpooledUpload,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let started = false;
    let stored = false;
    const engine: StorageEngine = {
      _handleFile(_request, file, done) {
        started = true;
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
      const fields = (request as IncomingMessage & { body?: Record<string, unknown> }).body ?? {};
      started ||= Object.keys(fields).length > 0;
      if (error) reject(formError(error, started));
      else if (!stored)
        reject(new CodedError('no_file', 'The form has no field "file".', { parameter: 'file' }));
      else resolve(fields);
    };
    type Middleware = (
      request: IncomingMessage,
      response: ServerResponse,
      next: (error?: unknown) => void,
    ) => void;
    const middleware = multer({ storage: engine, limits: FORM_LIMITS }).single(
      'file',
    ) as unknown as Middleware;
    middleware(request, response, finish);
  });
}

function formError(error: unknown, started: boolean): CodedError {
  if (error instanceof MulterError) {
    if (
      error.code === 'LIMIT_FILE_COUNT' ||
      (error.code === 'LIMIT_UNEXPECTED_FILE' && error.field === 'file')
    ) {
      return new CodedError('too_many_files', 'Send one file, in one field "file".', { parameter: 'file' });
    }
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
  if (/unexpected end|aborted/i.test(message)) {
    return started
      ? truncated('The form ends before its last boundary.', error)
      : new CodedError('invalid_boundary', 'The boundary of the Content-Type does not occur in the body.', {
          cause: error,
        });
  }
  return new CodedError('invalid_form', 'The form cannot be parsed.', { cause: error });
}

function truncated(message: string, cause?: unknown): CodedError {
  return new CodedError('truncated_body', message, cause === undefined ? {} : { cause });
}

export function isForm(request: IncomingMessage): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '');
}
