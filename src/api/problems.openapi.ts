import { applyDecorators } from '@nestjs/common';
import { ApiDefaultResponse, ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { ProblemAnswer } from './avatars.dto.js';

/** What a refusal of each status means; the codes are in docs/api.md. */
const MEANINGS = {
  400: 'The request is not acceptable: `code` and `parameter` say why',
  401: 'The bearer key is missing or unknown',
  404: 'There is no such picture or version',
  408: 'The body did not arrive in time',
  412: 'What is current is not what If-Match or If-None-Match asks',
  413: 'The body is too large',
  415: 'Not a picture of an accepted format, or a compressed body',
  416: 'The Range begins behind the end of the picture',
  422: 'The picture is damaged or has too many pixels',
  503: 'The storage is away, or too much is going on: try again',
  507: 'There is no room left',
} as const;

const HEADERS = {
  Allow: 'What there is',
  'Cache-Control': 'How long the answer may be kept',
  ETag: 'The version and the rendition, for an upload the version alone, for a lookup its answer',
  Location: 'Where the picture is',
  'Retry-After': 'Seconds after which trying again makes sense',
  'WWW-Authenticate': 'Bearer',
  'X-Request-Id': 'The `reqId` of the log’s lines',
} as const;

const content = { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemAnswer) } } };

/** The headers of an answer, as OpenAPI has them; X-Request-Id is always there. */
export function headersOf(...names: (keyof typeof HEADERS)[]) {
  return Object.fromEntries(
    [...names, 'X-Request-Id' as const].map((name) => [
      name,
      { schema: { type: 'string' as const }, description: HEADERS[name] },
    ]),
  );
}

/** The refusals that a call may answer with. */
export function DescribeRefusals(...statuses: (keyof typeof MEANINGS)[]) {
  const describe = (status: keyof typeof MEANINGS) =>
    ApiResponse({
      status,
      description: MEANINGS[status],
      content,
      headers: headersOf(
        ...(status === 401 ? (['WWW-Authenticate'] as const) : []),
        ...(status === 503 ? (['Retry-After'] as const) : []),
      ),
    });
  return applyDecorators(...statuses.map(describe));
}

/** What every call may answer. */
export function DescribeProblems() {
  return applyDecorators(
    ApiExtraModels(ProblemAnswer),
    DescribeRefusals(400, 503),
    ApiDefaultResponse({ content, description: 'What went wrong, with a `code` that stays the same' }),
  );
}
