import type { IncomingMessage } from 'node:http';
import { CodedError } from '../errors.js';
import { RequestBody, assertNotEncoded, inTime } from './request-body.js';

/** Takes in small bodies of JSON, whatever their Content-Type says. */
export class JsonReceiver {
  /** @param timeoutMs how long a client may be waited for, in ms; see `inTime` */
  constructor(private readonly timeoutMs: number) {}

  /** @throws CodedError `invalid_json`, `unsupported_encoding`, `upload_too_large`, `upload_timeout`, `busy`, `truncated_body` */
  async receive(request: IncomingMessage, maxBytes: number): Promise<unknown> {
    assertNotEncoded(request);
    const tooLarge = () => new CodedError('upload_too_large', `The body is larger than ${maxBytes} bytes.`);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const body = new RequestBody(request, maxBytes, tooLarge);
    try {
      return parse(await inTime(request, body, this.timeoutMs, () => bytesOf(body)));
    } finally {
      body.destroy();
    }
  }
}

/** What is wrong with it is not told by the parser's own words, which repeat what may be for nobody to see. */
function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw new CodedError('invalid_json', 'The body is not JSON in UTF-8.');
  }
}

async function bytesOf(body: RequestBody): Promise<Buffer> {
  const { 'content-length': length, 'transfer-encoding': encoding } = body.headers;
  if (length === undefined && encoding === undefined) return Buffer.alloc(0);
  body.start();
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
