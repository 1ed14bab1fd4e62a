import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, type ErrorCode } from '../errors.js';
import { methodsOf } from './known-routes.js';
import { type Problem, problem, retryAfter, statusOfCode } from './problem.js';
import { refuseRest } from './refuse-rest.js';
import { Repeated } from './repeated.js';

const codes = new WeakMap<FastifyRequest, string>();

/** An outage or a burst fails thousands of requests for one reason. */
const failures = new Repeated(10_000, 100);
const leftOut = new WeakSet<FastifyRequest>();

/** The code of the problem that the request was answered with, if it was one. */
export function problemCodeOf(request: FastifyRequest): string | undefined {
  return codes.get(request);
}

/** Whether the request failed as another did just before, and the log has the reason there. */
export function isLeftOut(request: FastifyRequest): boolean {
  return leftOut.has(request);
}

/** Has the log tell now of the failures that were left out so far. */
export function tellLeftOut(): void {
  failures.flush();
}

/** Answers every error as problem+json; what really happened goes to the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

/**
 * Answers what Fastify refuses before any hook has seen the request.
 * @param mostBytes see `refuseRest`
 */
export function refuseEarly(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  mostBytes: number,
): void {
  refuseRest(request, reply, mostBytes);
  sendProblem(error, request, reply);
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answer = describe(error, request, reply);
  codes.set(request, answer.code);
  if (answer.status >= 500) logFailure(error, answer.code, request);
  else if (error instanceof Error && error.cause !== undefined) {
    request.log.info({ err: error, code: answer.code }, 'the request was refused');
  }
  if (reply.sent || request.raw.socket.destroyed) return;
  const seconds = (error instanceof CodedError ? error.retryAfter : undefined) ?? retryAfter(answer.code);
  if (seconds !== undefined) reply.header('Retry-After', seconds);
  if (answer.status === 401) reply.header('WWW-Authenticate', 'Bearer');
  void reply
    .status(answer.status)
    // What Fastify refuses by itself passes by the hook that sets these on all other answers.
    .headers({ ...ALWAYS, 'X-Request-Id': request.id })
    .type('application/problem+json')
    .send(answer);
}

function logFailure(error: unknown, code: ErrorCode, request: FastifyRequest): void {
  const { log } = request;
  if (error instanceof CodedError && error.logged) {
    leftOut.add(request);
    log.debug({ err: error, code }, 'the request failed');
    return;
  }
  const isFirst = failures.isFirst(`${code}: ${reasonOf(error)}`, (count) => {
    log.error({ code, leftOut: count }, 'more requests failed like this one');
  });
  if (!isFirst) leftOut.add(request);
  log[isFirst ? 'error' : 'debug']({ err: error, code }, 'the request failed');
}

/** The same for errors that come from the same cause. What we have no code for is a defect, and each of them may be another. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const detail = typeof code === 'string' ? code : error.message;
  const name = error instanceof CodedError ? error.name : `${error.name} ${detail}`;
  return error.cause === undefined ? name : `${name} < ${reasonOf(error.cause)}`;
}

const ALWAYS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;

/** What Fastify refuses in words that repeat the URL, however long it is. */
const DETAILS: Record<string, string> = {
  FST_ERR_BAD_URL: 'The URL is not well formed.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the URL is too long.',
};

function describe(error: unknown, request: FastifyRequest, reply: FastifyReply): Problem {
  if (error instanceof CodedError) {
    return problem(statusOfCode(error.code), error.code, error.message, request.id, error.parameter);
  }
  const status = statusOf(error);
  if (status === 404) {
    const methods = methodsOf(request);
    if (methods.length === 0 || methods.includes(request.method))
      return problem(404, 'route_not_found', 'There is nothing under this path.', request.id);
    reply.header('Allow', methods.join(', '));
    return problem(405, 'method_not_allowed', `This path takes ${methods.join(', ')}.`, request.id);
  }
  if (status < 500) {
    const { code = '', message } = error as Error & { code?: string };
    return problem(status, 'bad_request', DETAILS[code] ?? message, request.id);
  }
  return problem(status, 'internal', 'Something went wrong here. The log has the details.', request.id);
}

function statusOf(error: unknown): number {
  const { cause, statusCode } = error as { cause?: { code?: unknown }; statusCode?: unknown };
  // Of the method QUERY Fastify wants a Content-Type first, also where there is no such route; Nest wraps that.
  if (cause?.code === 'FST_ERR_ROUTE_MISSING_CONTENT_TYPE') return 404;
  if (error instanceof HttpException) return error.getStatus();
  return typeof statusCode === 'number' ? statusCode : 500;
}
