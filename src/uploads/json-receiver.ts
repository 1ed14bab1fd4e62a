import type { IncomingMessage } from 'node:http';
import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { RequestBody, assertNotEncoded, withDeadline } from './request-body.js';

/** Receives small bodies of JSON, whatever their Content-Type says. */
@Injectable()
export class JsonReceiver {
  constructor(private readonly settings: Settings) {}

  /**
   * @returns the parsed body
   * @throws CodedError `invalid_json`, `unsupported_encoding`, `upload_too_large`, `upload_timeout`, `busy`,
   * `truncated_body`
   */
  async receive(request: IncomingMessage, maxBytes: number): Promise<unknown> {
    assertNotEncoded(request);
    const tooLarge = () =>
      new CodedError('upload_too_large', `The body is larger than ${maxBytes} bytes. Ask for less at once.`);
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
    const body = new RequestBody(request, maxBytes, tooLarge);
    try {
      return parse(await withDeadline(request, body, this.settings.uploadTimeoutMs, () => bytesOf(body)));
    } finally {
      body.destroy();
    }
  }
}

/** The parser's own message is not passed on: it quotes the body, which may be private. */
function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    throw new CodedError(
      'invalid_json',
      'The body is not valid JSON in UTF-8. Correct it and send it again.',
    );
  }
}

async function bytesOf(body: RequestBody): Promise<Buffer> {
  if (!body.isAnnounced) return Buffer.alloc(0);
  body.start();
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
