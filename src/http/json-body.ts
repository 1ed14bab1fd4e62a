import type { IncomingMessage } from 'node:http';
import { CodedError } from '../errors.js';
import { RequestBody, inTime } from './request-body.js';

export interface JsonReceiverOptions {
  maxBytes: number;
  /** How long a body may take to arrive, in ms. */
  timeoutMs: number;
}

/** Takes in small bodies of JSON, whatever their Content-Type says. */
export class JsonReceiver {
  constructor(private readonly options: JsonReceiverOptions) {}

  /** @throws CodedError `invalid_json`, `upload_too_large`, `upload_timeout`, `truncated_body` */
  async receive(request: IncomingMessage): Promise<unknown> {
    const { maxBytes, timeoutMs } = this.options;
    const tooLarge = () => new CodedError('upload_too_large', `The body is larger than ${maxBytes} bytes.`);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const body = new RequestBody(request, maxBytes, tooLarge);
    try {
      const text = await inTime(request, body, timeoutMs, () => textOf(body));
      return JSON.parse(text) as unknown;
    } catch (error) {
      if (error instanceof CodedError) throw error;
      throw new CodedError('invalid_json', 'The body is not JSON.', { cause: error });
    } finally {
      body.destroy();
    }
  }
}

async function textOf(body: RequestBody): Promise<string> {
  const { 'content-length': length, 'transfer-encoding': encoding } = body.headers;
  if (length === undefined && encoding === undefined) return '';
  body.start();
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
