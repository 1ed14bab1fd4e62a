import { HttpException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { CodedError } from '../errors.js';
import { allowedMethods } from './known-routes.js';
import { type Problem, problem, statusOfCode } from './problem.js';

/** Refusals of Fastify whose own words repeat the URL, however long it is, or do not say what to do. */
const DETAILS: Record<string, string> = {
  FST_ERR_BAD_URL: 'The URL is malformed. Percent-encode it correctly.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The Content-Type is malformed. Let your HTTP library set it.',
  FST_ERR_MAX_PARAM_LENGTH: 'A segment of the path is too long. Shorten it.',
};

/** The status of refusals of Fastify that would be misleading. */
const OTHER_STATUSES: Record<string, number> = { FST_ERR_CTP_INVALID_MEDIA_TYPE: 400 };

/** What a client is told of an error. */
export interface Description {
  problem: Problem;
  /** The header Allow. */
  allow?: string;
}

/**
 * Describes an error: one with a code of ours, a refusal of Nest or Fastify, or a defect, of which the client
 * learns no details.
 */
export function describeError(error: unknown, request: FastifyRequest): Description {
  const { id } = request;
  if (error instanceof CodedError) {
    const { code, message, parameter, members } = error;
    return { problem: { ...problem(statusOfCode(code), code, message, id, parameter), ...members } };
  }
  const { status, code, message } = refusalOf(error);
  if (status >= 500) {
    const detail = 'Something went wrong in the service. Its log has the details under this requestId.';
    return { problem: problem(status, 'internal', detail, id) };
  }
  return (
    withoutRoute(error, status, request) ?? {
      problem: problem(status, 'bad_request', DETAILS[code] ?? message, id),
    }
  );
}

/**
 * The problem of a request that no route takes. Nest passes on what Fastify refuses before it knows whether
 * one does.
 */
function withoutRoute(error: unknown, status: number, request: FastifyRequest): Description | undefined {
  if (!(error instanceof HttpException) && status !== 404) return undefined;
  const methods = allowedMethods(request);
  const isAllowed = methods.includes(request.method);
  if (isAllowed && status !== 404) return undefined;
  if (isAllowed || methods.length === 0) {
    const detail = 'There is nothing under this path. Check it against the description of the API.';
    return { problem: problem(404, 'route_not_found', detail, request.id) };
  }
  const allow = methods.join(', ');
  const detail = `This path does not take ${request.method}. It takes ${allow}.`;
  return { problem: problem(405, 'method_not_allowed', detail, request.id), allow };
}

/** What Fastify or Nest says of an error of theirs: Nest wraps the errors of Fastify. */
function refusalOf(error: unknown): { status: number; code: string; message: string } {
  const { message, statusCode } = error as Error & { statusCode?: unknown };
  const isNests = error instanceof HttpException;
  const { code = '' } = ((isNests ? error.cause : error) ?? {}) as { code?: string };
  const status = OTHER_STATUSES[code] ?? (isNests ? error.getStatus() : statusCode);
  return { status: typeof status === 'number' ? status : 500, code, message };
}
