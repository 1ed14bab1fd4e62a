import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { closeAfterAnswer } from './linger.js';

/**
 * If more of the request's body is to come, makes the answer the last one on its connection without waiting
 * for that body: it may never come, and Node would answer that with a 408 of its own.
 * @param mostBytes how much of the body is discarded so that the client can read the answer, see
 * `lingeringClose`
 */
export function refuseRest({ raw: request }: FastifyRequest, reply: FastifyReply, mostBytes: number): void {
  if (!isReceiving(request)) return;
  reply.header('Connection', 'close');
  closeAfterAnswer(request, mostBytes);
}

/**
 * Whether more of the body is to come. A request without a body isn't complete either while its headers are
 * being handled.
 */
function isReceiving({ complete, headers }: IncomingMessage): boolean {
  const announced = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  return announced && !complete;
}
