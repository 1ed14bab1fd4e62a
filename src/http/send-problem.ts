import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, type ErrorCode } from '../errors.js';
import { RateLimited } from '../model/quota.js';
import { AccessRefused } from './access-refused.js';
import { describeError } from './describe-error.js';
import type { FailureLog } from './failure-log.js';
import { retryAfter } from './problem.js';
import { addQuota } from './rate-limit-headers.js';

const ALWAYS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;

const CODE = Symbol('code of the problem');
type Answered = FastifyRequest & { [CODE]?: ErrorCode };

/** The code of the problem that the request was answered with, if it was one. */
export function problemCodeOf(request: Answered): ErrorCode | undefined {
  return request[CODE];
}

/** Answers an error as problem+json. The cause goes to the log. */
export function sendProblem(
  error: unknown,
  request: Answered,
  reply: FastifyReply,
  failures: FailureLog,
): void {
  const { problem, allow } = describeError(error, request);
  const { status, code } = problem;
  request[CODE] = code;
  if (status >= 500) failures.log(error, code, request);
  else if (error instanceof CodedError && error.cause !== undefined) {
    request.log.info({ err: error, code }, 'the request was refused');
  }
  if (reply.sent) return;
  const seconds = (error instanceof CodedError ? error.retryAfter : undefined) ?? retryAfter(code);
  if (seconds !== undefined) reply.header('Retry-After', seconds);
  if (allow !== undefined) reply.header('Allow', allow);
  if (error instanceof AccessRefused) reply.header('WWW-Authenticate', error.authenticate);
  if (error instanceof RateLimited) addQuota(reply, error.quota);
  void reply
    .status(status)
    // The hook that sets these on all other answers does not see what Fastify itself refuses.
    .headers({ ...ALWAYS, 'X-Request-Id': request.id })
    .type('application/problem+json')
    .send(problem);
}
