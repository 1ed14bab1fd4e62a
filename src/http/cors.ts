import type { FastifyInstance } from 'fastify';

/** Lets pages of other origins read what anybody may read, with these headers. */
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

/** The paths of pictures, which pages of other origins read. Everything else is for the main application. */
const PICTURES = /^\/(v1\/(avatars\/|sheets(\?|$))|avatar([/?]|$))/;

/**
 * Answers the preflight requests that browsers send before a page of another origin may read with headers of its own:
 * https://fetch.spec.whatwg.org/#cors-preflight-fetch
 */
export function answerPreflights(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    const isPreflight = request.method === 'OPTIONS' && origin !== undefined && method !== undefined;
    if (isPreflight && PICTURES.test(request.url)) void reply.status(204).headers(PREFLIGHT_ANSWER).send();
    else done();
  });
}
