import { applyDecorators } from '@nestjs/common';
import { ApiResponse, getSchemaPath } from '@nestjs/swagger';
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

/** The refusals that a call may answer with, besides those of every call. */
export function DescribeRefusals(...codes: ErrorCode[]) {
  const all = [...EVERY_CALL, ...codes];
  const describe = (status: number) => {
    const own = all.filter((code) => statusOfCode(code) === status);
    return ApiResponse({ status, ...refusal(status, own) });
  };
  return applyDecorators(...[...new Set(all.map(statusOfCode))].map(describe));
}

const PROBLEM = { $ref: getSchemaPath(ProblemAnswer) };

/** A refusal as OpenAPI describes it. @param codes that it may have */
export function refusal(status: number, codes: readonly ErrorCode[]) {
  const code = { type: 'string' as const, enum: [...new Set(codes)].sort() };
  const own = { type: 'object' as const, properties: { code } };
  const schema = { allOf: [PROBLEM, own] as [typeof PROBLEM, typeof own] };
  return {
    description: MEANINGS[status] ?? '',
    content: { 'application/problem+json': { schema } },
    headers: headersOf('Cache-Control', ...(HEADERS[status] ?? [])),
  };
}

/** The codes of a refusal that `refusal` has described. */
export function codesOf({ content }: ReturnType<typeof refusal>): ErrorCode[] {
  const [, { properties }] = content['application/problem+json'].schema.allOf;
  return properties.code.enum;
}

/** Any refusal that a call does not list. */
export const OTHER_REFUSAL = {
  description: 'Any other refusal.',
  content: { 'application/problem+json': { schema: PROBLEM } },
  headers: headersOf('Cache-Control'),
};
