import type { FastifyReply } from 'fastify';
import type { Quota } from '../model/quota.js';

/**
 * Tells the client what is left, beside what other limits have left:
 * https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 */
export function addQuota(reply: FastifyReply, { counted, rate, remaining, reset }: Quota): void {
  append(reply, 'RateLimit-Policy', `"${counted}";q=${rate.count};w=${rate.seconds}`);
  append(reply, 'RateLimit', `"${counted}";r=${remaining}${reset === undefined ? '' : `;t=${reset}`}`);
}

function append(reply: FastifyReply, name: string, item: string): void {
  const before = reply.getHeader(name);
  void reply.header(name, before === undefined ? item : `${String(before)}, ${item}`);
}
