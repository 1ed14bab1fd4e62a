import type { FastifyReply, FastifyRequest } from 'fastify';
import type { FailureLog } from '../http/failure-log.js';
import type { RefusalLog } from '../http/refusal-log.js';
import { problemCodeOf, sendProblem } from '../http/send-problem.js';
import { refuseRest } from './refuse-rest.js';

/**
 * Answers and logs what Fastify refuses before any hook has seen the request. The URL is not logged: it is
 * malformed or too long.
 * @param mostBytes see `refuseRest`
 */
export function answerFrameworkError(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  failures: FailureLog,
  refusals: RefusalLog,
  mostBytes: number,
): void {
  refuseRest(request, reply, mostBytes);
  sendProblem(error, request, reply, failures);
  const { method, log } = request;
  const fields = { method, status: reply.statusCode, code: problemCodeOf(request) };
  if (method === 'GET' || method === 'HEAD') log.debug(fields, 'request');
  else refusals.log(fields, 'request', log);
}
