import type { ServerResponse } from 'node:http';
import multer, { MulterError, type StorageEngine } from 'multer';
import { CodedError } from '../errors.js';
import { type RequestBody, truncated } from './request-body.js';
import type { SpooledUpload } from './spooled-upload.js';

const FORM_LIMITS = { files: 1, fields: 4, parts: 6, fieldSize: 1024, fieldNameSize: 100, headerPairs: 20 };

const LET_THE_LIBRARY = 'Let your HTTP library build the form and set its Content-Type.';

/**
 * Receives a form: writes its one file, in the field `file`, to `spooled`.
 * @param body not started yet
 * @returns the other fields
 * @throws CodedError `empty_file`, `invalid_boundary`, `invalid_form`, `no_file`, `storage_full`,
 * `too_many_files`, `truncated_body`, `unexpected_field`, `upload_too_large`; the body may then be unread in
 * part
 */
export async function receiveForm(
  body: RequestBody,
  response: ServerResponse,
  spooled: SpooledUpload,
): Promise<Record<string, unknown>> {
  const boundary = boundaryOf(body);
  return new Promise((resolve, reject) => {
    let stored = false;
    const engine: StorageEngine = {
      _handleFile(_request, file, done) {
        // Multer isn't told of a failure: it would read the rest of the body, however long that is.
        spooled.write(file.stream).then(() => {
          stored = true;
          done(null, {});
        }, reject);
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
  if (boundary === undefined) throw noBoundary();
  return boundary;
}

/** @param begun whether the form's boundary was seen */
function formError(error: unknown, begun: boolean): CodedError {
  if (error instanceof CodedError) return error;
  if (error instanceof MulterError) return limitError(error);
  const { message } = error as Error;
  if (/boundary/i.test(message)) return noBoundary(error);
  if (!/unexpected end|aborted|closed/i.test(message)) {
    const detail = `The body is not a well-formed form. ${LET_THE_LIBRARY}`;
    return new CodedError('invalid_form', detail, { cause: error });
  }
  if (begun) return truncated('The form ends before its last boundary. Send it again.', error);
  const detail = `The boundary in the Content-Type does not occur in the body. ${LET_THE_LIBRARY}`;
  return new CodedError('invalid_boundary', detail, { cause: error });
}

function limitError(error: MulterError): CodedError {
  const { code, field, message } = error;
  if (code === 'LIMIT_FILE_COUNT' || (code === 'LIMIT_UNEXPECTED_FILE' && field === 'file')) {
    const detail = 'The form has more than one file. Send one, in the field "file".';
    return new CodedError('too_many_files', detail, { parameter: 'file' });
  }
  if (code === 'LIMIT_UNEXPECTED_FILE') {
    const detail = 'The form has its file in another field. Send it in the field "file".';
    return new CodedError('unexpected_field', detail, { parameter: 'file' });
  }
  if (code === 'LIMIT_FIELD_VALUE' && field === 'file') return noFile(true);
  const detail = `The form is not accepted: ${message.toLowerCase()}. Send the fields "file", "rotate", "crop" and "alt" only.`;
  return new CodedError('invalid_form', detail, { cause: error });
}

function noBoundary(cause?: unknown): CodedError {
  const detail = `The Content-Type of the form names no boundary. ${LET_THE_LIBRARY}`;
  return new CodedError('invalid_boundary', detail, cause === undefined ? {} : { cause });
}

/** @param asText whether the field is there, as text */
function noFile(asText: boolean): CodedError {
  const detail = asText
    ? 'The field "file" is text. Send it as a file, with a file name.'
    : 'The form has no field "file". Send the picture in it.';
  return new CodedError('no_file', detail, { parameter: 'file' });
}
