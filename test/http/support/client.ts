import { type Agent, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { Readable } from 'node:stream';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Outgoing {
  method?: string;
  /** Sent unchanged. fetch would resolve dots and escapes. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** A stream is sent chunked, without a Content-Length. */
  body?: Buffer | string | Readable;
  /** Keeps connections open. By default, the request has one of its own. */
  agent?: Agent;
}

/** Sends one request. An answer may come before the whole body was sent. */
export function send(base: string, outgoing: Outgoing): Promise<Answer> {
  const { hostname, port } = new URL(base);
  const { method = 'GET', path, headers = {}, body, agent = false } = outgoing;
  return new Promise((resolve, reject) => {
    const sending = request({ hostname, port, method, path, headers, agent });
    let answered = false;
    sending.on('response', (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (body instanceof Readable) body.destroy();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks),
        });
      });
    });
    sending.on('error', (error) => {
      if (!answered) reject(error);
    });
    if (body instanceof Readable) {
      body.on('error', () => undefined);
      body.pipe(sending);
    } else sending.end(body);
  });
}

export interface Part {
  name?: string;
  filename?: string;
  content: Buffer | string;
}

export const BOUNDARY = 'visage-test-boundary';
export const FORM = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };

/** The body of a form, to be sent with the headers `FORM`. */
export function form(...parts: Part[]): Buffer {
  const pieces = parts.flatMap((part) => [openPart(part), part.content, '\r\n']);
  return Buffer.concat([...pieces, `--${BOUNDARY}--\r\n`].map((piece) => Buffer.from(piece)));
}

/** The bytes before the content of a part. */
export function openPart({ name = 'file', filename }: Omit<Part, 'content'>): string {
  const file = filename === undefined ? '' : `; filename="${filename}"`;
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n`;
}

/** A form with only a file, as browsers send it. */
export function fileForm(content: Buffer, filename = 'me.png'): Pick<Outgoing, 'headers' | 'body'> {
  return { headers: FORM, body: form({ filename, content }) };
}

/**
 * Reads the problem in an answer.
 * @throws Error unless it is well-formed problem+json
 */
export function problemOf({ status, headers, body }: Answer): {
  status: number;
  code: string;
  parameter?: string;
} {
  const type = headers['content-type'] ?? '';
  if (!type.startsWith('application/problem+json')) {
    throw new Error(`${status} as ${type}: ${body.toString('latin1', 0, 300)}`);
  }
  const problem = JSON.parse(body.toString()) as Record<string, unknown>;
  expect(problem).toMatchObject({
    type: 'about:blank',
    title: expect.any(String) as string,
    status,
    code: expect.stringMatching(/^[a-z_]+$/) as string,
    detail: expect.stringMatching(/\S/) as string,
    requestId: headers['x-request-id'],
  });
  const { code, parameter } = problem as { code: string; parameter?: string };
  return { status, code, ...(parameter !== undefined && { parameter }) };
}
