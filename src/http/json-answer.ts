import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { etagOf, matchesNoneMatch } from './conditional.js';

/** Answers with JSON, or with 304 if the client has the same. The ETag follows the bytes. */
export function sendJson(
  request: FastifyRequest,
  reply: FastifyReply,
  value: unknown,
  cacheControl: string,
): void {
  const body = Buffer.from(JSON.stringify(value));
  const etag = etagOf(createHash('sha256').update(body).digest('hex'));
  void reply.headers({ ETag: etag, 'Cache-Control': cacheControl });
  if (matchesNoneMatch(request.headers['if-none-match'], etag)) void reply.status(304).send();
  else void reply.type('application/json; charset=utf-8').send(body);
}
