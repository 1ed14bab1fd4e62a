import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError } from '../errors.js';
import { sha256Hex } from '../model/sha256.js';
import { etagOf, matchesNoneMatch, meetsMatch } from './conditional.js';

/**
 * Answers with JSON, or with 304 if the client has the same. The ETag follows the bytes.
 * @throws CodedError `precondition_failed`
 */
export function sendJson(
  request: FastifyRequest,
  reply: FastifyReply,
  value: unknown,
  cacheControl: string,
): void {
  const body = Buffer.from(JSON.stringify(value));
  const etag = etagOf(sha256Hex(body));
  const { 'if-match': match, 'if-none-match': noneMatch } = request.headers;
  if (!meetsMatch(match, etag)) {
    throw new CodedError('precondition_failed', `The ETag of the answer is ${etag}.`);
  }
  void reply.headers({ ETag: etag, 'Cache-Control': cacheControl });
  if (matchesNoneMatch(noneMatch, etag)) void reply.status(304).send();
  else void reply.type('application/json; charset=utf-8').send(body);
}
