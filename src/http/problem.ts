import { STATUS_CODES } from 'node:http';
import type { ErrorCode } from '../errors.js';

/** The status of every code. Nothing else knows of both. */
const STATUSES: Record<ErrorCode, number> = {
  alias_taken: 409,
  avatar_locked: 423,
  avatar_not_found: 404,
  bad_request: 400,
  busy: 503,
  empty_file: 400,
  foreign_origin: 403,
  image_too_large: 422,
  insufficient_scope: 403,
  internal: 500,
  invalid_aliases: 400,
  invalid_alt: 400,
  invalid_animated: 400,
  invalid_before: 400,
  invalid_boundary: 400,
  invalid_crop: 400,
  invalid_default: 400,
  invalid_erase: 400,
  invalid_form: 400,
  invalid_hash: 400,
  invalid_host: 400,
  invalid_format: 400,
  invalid_id: 400,
  invalid_json: 400,
  invalid_lock: 400,
  invalid_lookup: 400,
  invalid_precondition: 400,
  invalid_rotate: 400,
  invalid_sheet: 400,
  invalid_size: 400,
  invalid_ticket: 400,
  issuer_unavailable: 503,
  method_not_allowed: 405,
  invalid_version: 400,
  manifest_unreadable: 503,
  no_file: 400,
  no_hash: 400,
  object_damaged: 503,
  outbox_full: 503,
  picture_unreadable: 503,
  precondition_failed: 412,
  rate_limited: 429,
  rendition_not_found: 404,
  route_not_found: 404,
  sheet_too_large: 422,
  storage_full: 507,
  storage_unavailable: 503,
  ticket_expired: 401,
  ticket_outdated: 409,
  ticket_used: 409,
  tickets_disabled: 404,
  token_expired: 401,
  too_many_files: 400,
  truncated_body: 400,
  unauthorized: 401,
  unexpected_field: 400,
  unreadable_image: 422,
  unsupported_encoding: 415,
  unsatisfiable_range: 416,
  unsupported_image: 415,
  upload_timeout: 408,
  upload_too_large: 413,
  version_not_found: 404,
};

/** Seconds after which it makes sense to try again. */
const RETRY_AFTER: Partial<Record<ErrorCode, number>> = {
  busy: 1,
  issuer_unavailable: 30,
  outbox_full: 30,
  storage_unavailable: 5,
};

/** The body of an error as in RFC 9457, with a `code` for programs. */
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  code: ErrorCode;
  detail: string;
  parameter?: string;
  requestId: string;
}

export function statusOfCode(code: ErrorCode): number {
  return STATUSES[code];
}

export function retryAfter(code: ErrorCode): number | undefined {
  return RETRY_AFTER[code];
}

export function problem(
  status: number,
  code: ErrorCode,
  detail: string,
  requestId: string,
  parameter?: string,
): Problem {
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    code,
    detail,
    ...(parameter !== undefined && { parameter }),
    requestId,
  };
}

/**
 * The headers and the body of a problem, for answers that Fastify does not send. The connection has to be
 * closed after them.
 */
export interface LastAnswer {
  status: number;
  headers: Record<string, string | number>;
  body: string;
}

export function lastAnswerOf(status: number, code: ErrorCode, detail: string, requestId: string): LastAnswer {
  const body = JSON.stringify(problem(status, code, detail, requestId));
  const headers = {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  return { status, headers, body };
}
