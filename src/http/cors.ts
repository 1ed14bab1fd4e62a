import type { FastifyInstance } from 'fastify';

/** What anybody may read, pages of other origins may read too, and the headers with it. */
export const OPEN = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'ETag, Retry-After, X-Request-Id',
} as const;

const PREFLIGHT_ANSWER = {
  ...OPEN,
  'Access-Control-Allow-Methods': 'GET, HEAD',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Max-Age': '86400',
} as const;

/** Pages of other origins read pictures; all else is for the main application. */
const PICTURES = /^\/(v1\/avatars\/|avatar([/?]|$))/;

/**
 * Answers what a browser asks before it lets a page read with headers of its own:
 * https://fetch.spec.whatwg.org/#cors-preflight-fetch
 */
export function answerPreflights(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    const asks = request.method === 'OPTIONS' && origin !== undefined && method !== undefined;
    if (asks && PICTURES.test(request.url)) void reply.status(204).headers(PREFLIGHT_ANSWER).send();
    else done();
  });
}
