import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CodedError, type ErrorCode } from '../errors.js';
import { allowedMethods } from './known-routes.js';
import { LogOnce } from '../tools/log-once.js';
import { type Problem, problem, retryAfter, statusOfCode } from './problem.js';

const ALWAYS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' } as const;

/** Refusals of Fastify whose own words repeat the URL, however long it is, or do not say what to do. */
const DETAILS: Record<string, string> = {
  FST_ERR_BAD_URL: 'The URL is malformed. Percent-encode it correctly.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The Content-Type is malformed. Let your HTTP library set it.',
  FST_ERR_MAX_PARAM_LENGTH: 'A segment of the path is too long. Shorten it.',
};

/** The status of refusals of Fastify that would be misleading. */
const OTHER_STATUSES: Record<string, number> = { FST_ERR_CTP_INVALID_MEDIA_TYPE: 400 };

const codes = new WeakMap<FastifyRequest, string>();

/** An outage or a burst fails thousands of requests for one reason. */
const failures = new LogOnce(10_000, 100);
const leftOut = new WeakSet<FastifyRequest>();

/** The code of the problem that the request was answered with, if it was one. */
export function problemCodeOf(request: FastifyRequest): string | undefined {
  return codes.get(request);
}

/** Whether the request failed for the same reason as one just before, which the log names there. */
export function isLeftOut(request: FastifyRequest): boolean {
  return leftOut.has(request);
}

/** Logs now how many failures were left out so far. */
export function tellLeftOut(): void {
  failures.flush();
}

/** Answers every error as problem+json. The cause goes to the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

/** Answers an error as problem+json, and logs its cause. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answer = describe(error, request, reply);
  codes.set(request, answer.code);
  if (answer.status >= 500) logFailure(error, answer.code, request);
  else if (error instanceof CodedError && error.cause !== undefined) {
    request.log.info({ err: error, code: answer.code }, 'the request was refused');
  }
  if (reply.sent || request.raw.socket.destroyed) return;
  const seconds = (error instanceof CodedError ? error.retryAfter : undefined) ?? retryAfter(answer.code);
  if (seconds !== undefined) reply.header('Retry-After', seconds);
  if (answer.status === 401) reply.header('WWW-Authenticate', 'Bearer');
  void reply
    .status(answer.status)
    // The hook that sets these on all other answers does not see what Fastify itself refuses.
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

/** The same text for errors with the same cause. An error without a code of ours is a defect, and each may be a different one. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  const detail = typeof code === 'string' ? code : error.message;
  const name = error instanceof CodedError ? error.name : `${error.name} ${detail}`;
  return error.cause === undefined ? name : `${name} < ${reasonOf(error.cause)}`;
}

function describe(error: unknown, request: FastifyRequest, reply: FastifyReply): Problem {
  if (error instanceof CodedError) {
    return problem(statusOfCode(error.code), error.code, error.message, request.id, error.parameter);
  }
  const { status, code, message } = refusalOf(error);
  if (status >= 500) {
    const detail = 'Something went wrong in the service. Its log has the details under this requestId.';
    return problem(status, 'internal', detail, request.id);
  }
  return (
    withoutRoute(error, status, request, reply) ??
    problem(status, 'bad_request', DETAILS[code] ?? message, request.id)
  );
}

/** The problem of a request that no route takes. Nest passes on what Fastify refuses before it knows whether one does. */
function withoutRoute(
  error: unknown,
  status: number,
  request: FastifyRequest,
  reply: FastifyReply,
): Problem | undefined {
  if (!(error instanceof HttpException) && status !== 404) return undefined;
  const methods = allowedMethods(request);
  const isAllowed = methods.includes(request.method);
  if (isAllowed && status !== 404) return undefined;
  if (isAllowed || methods.length === 0) {
    const detail = 'There is nothing under this path. Check it against the description of the API.';
    return problem(404, 'route_not_found', detail, request.id);
  }
  const allowed = methods.join(', ');
  reply.header('Allow', allowed);
  const detail = `This path does not take ${request.method}. It takes ${allowed}.`;
  return problem(405, 'method_not_allowed', detail, request.id);
}

/** What Fastify or Nest says of an error of theirs: Nest wraps the errors of Fastify. */
function refusalOf(error: unknown): { status: number; code: string; message: string } {
  const { message, statusCode } = error as Error & { statusCode?: unknown };
  const isNests = error instanceof HttpException;
  const { code = '' } = ((isNests ? error.cause : error) ?? {}) as { code?: string };
  const status = OTHER_STATUSES[code] ?? (isNests ? error.getStatus() : statusCode);
  return { status: typeof status === 'number' ? status : 500, code, message };
}
