import type { FastifyInstance } from 'fastify';

/**
 * Lets pages of all origins read answers, with these headers. Nothing that a browser sends by itself opens
 * more to them than to anybody: there are no cookies.
 */
export const OPEN = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers':
    'ETag, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id',
} as const;

const PREFLIGHT_ANSWER = {
  ...OPEN,
  'Access-Control-Allow-Methods': 'GET, HEAD, PUT, POST, DELETE',
  // Those that Visage reads, and not `*`: a page could say with X-Forwarded-Host that it is one of ours.
  'Access-Control-Allow-Headers':
    'Accept, Authorization, Cache-Control, Content-Type, If-Match, If-None-Match, If-Range, Range, X-Request-Id',
  'Access-Control-Max-Age': '86400',
} as const;

/**
 * Answers the preflight requests that browsers send before a page of another origin may change something, or
 * read with headers of its own: https://fetch.spec.whatwg.org/#cors-preflight-fetch
 * @param open the URLs that such pages may call, without their origin
 */
export function answerPreflights(fastify: FastifyInstance, open: RegExp): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-method': method } = request.headers;
    const isPreflight = request.method === 'OPTIONS' && origin !== undefined && method !== undefined;
    if (isPreflight && open.test(request.url)) void reply.status(204).headers(PREFLIGHT_ANSWER).send();
    else done();
  });
}
