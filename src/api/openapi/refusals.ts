import { STATUS_CODES } from 'node:http';
import { ApiExtension, getSchemaPath } from '@nestjs/swagger';
import type { ErrorCode } from '../../errors.js';
import { statusOfCode } from '../../http/problem.js';
import { type HeaderName, headersOf } from './headers.js';
import { ProblemAnswer } from './problem.dto.js';

/** What a refusal of each status means. `docs/api.md` says what to do about each code. */
const MEANINGS: Record<number, string> = {
  400: 'The request is wrong. `code` and `parameter` say why.',
  401: 'The bearer is missing or unknown, or is a ticket or token that has run out.',
  403: 'The key, ticket or token is not for this call, or not for this id. Or a web page of another origin sent it.',
  404: 'There is no such picture or version, or no SIGNING_KEYS for tickets.',
  408: 'The body did not arrive in time.',
  409: 'An address stands for another avatar, and the call was to take none over. Or a ticket is used, or void.',
  412: 'What is current is not what If-Match or If-None-Match asks for.',
  413: 'The body is too large.',
  414: 'The path is too long.',
  415: 'The body is compressed, or it is not a picture of an accepted format.',
  416: 'The Range begins behind the end of the picture.',
  422: 'The picture is damaged or too large, or the sheet would be.',
  423: 'The avatar is locked.',
  429: 'There were too many uploads. RateLimit says of what, and when there is room again.',
  503: 'The storage cannot be used, the identity provider does not answer, or the service is too busy. Try again later.',
  507: 'There is no room left.',
};

const HEADERS: Record<number, HeaderName[]> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  416: ['Content-Range'],
  429: ['Retry-After'],
  503: ['Retry-After'],
};

/** What every call may be refused for. */
export const EVERY_CALL = ['bad_request', 'invalid_host'] as const;

/** What a call that looks at avatars may be refused for. */
export const READS = ['busy', 'manifest_unreadable', 'storage_unavailable'] as const;

/** What a call that looks at a picture itself may be refused for. */
export const PICTURES = [...READS, 'image_too_large', 'picture_unreadable', 'precondition_failed'] as const;

/** What a call that changes avatars may be refused for. */
export const WRITES = [...READS, 'outbox_full', 'storage_full'] as const;

/** What a change of a picture may be refused for: the avatar is locked, or If-Match or If-None-Match. */
export const PRECONDITIONS = ['avatar_locked', 'invalid_precondition', 'precondition_failed'] as const;

/** What a body may be refused for. */
export const BODIES = [
  'truncated_body',
  'unsupported_encoding',
  'upload_timeout',
  'upload_too_large',
] as const;

/** What a body of JSON may be refused for. */
export const JSON_BODIES = [...BODIES, 'invalid_json'] as const;

/** Where an operation lists the codes of its refusals. */
export const CODES_EXTENSION = 'x-codes';

/** The refusals that a call may answer with, besides those of every call. */
export const DescribeRefusals = (...codes: ErrorCode[]) => ApiExtension(CODES_EXTENSION, codes);

/** A refusal, for answers that may also be something else. */
export const PROBLEM = { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemAnswer) } } };

const OTHER_REFUSAL = 'OtherRefusal';

/** Every refusal, for the components of the description. */
export const REFUSAL_COMPONENTS = Object.fromEntries([
  ...Object.entries(MEANINGS).map(([status, description]) => {
    const headers = headersOf(...(HEADERS[Number(status)] ?? []));
    return [nameOf(Number(status)), { description, content: PROBLEM, headers }] as const;
  }),
  [OTHER_REFUSAL, { description: 'Any other refusal.', content: PROBLEM, headers: {} }] as const,
]);

/** The refusals with these codes, and any other, by status. */
export function refusalsOf(codes: readonly ErrorCode[]): Record<string, { $ref: string }> {
  const statuses = new Set(codes.map(statusOfCode));
  return {
    ...Object.fromEntries([...statuses].map((status) => [status, refusalWith(status)] as const)),
    default: componentOf(OTHER_REFUSAL),
  };
}

/** A refusal by its status. */
export const refusalWith = (status: number) => componentOf(nameOf(status));

const componentOf = (name: string) => ({ $ref: `#/components/responses/${name}` });

/** @throws Error if `MEANINGS` does not have it */
function nameOf(status: number): string {
  if (MEANINGS[status] === undefined) throw new Error(`no refusal with ${status} is described`);
  return (STATUS_CODES[status] ?? '').replaceAll(' ', '');
}
