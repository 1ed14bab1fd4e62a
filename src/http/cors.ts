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

/**
 * Answers the preflight requests that browsers send before a page of another origin may read with headers of
 * its own: https://fetch.spec.whatwg.org/#cors-preflight-fetch
 * @param open the URLs that such pages may read, without their origin
 */
export function answerPreflights(fastify: FastifyInstance, open: RegExp): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    const isPreflight = request.method === 'OPTIONS' && origin !== undefined && method !== undefined;
    if (isPreflight && open.test(request.url)) void reply.status(204).headers(PREFLIGHT_ANSWER).send();
    else done();
  });
}
