import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiResponse,
} from '@nestjs/swagger';
import { headersOf } from '../openapi/headers.js';
import { withOneOf } from '../openapi/one-of.js';
import { DescribeNoneMatch } from '../openapi/parameters.js';
import { BODIES, DescribeRefusals, READS } from '../openapi/refusals.js';
import { LookupAnswer, LookupBody } from './lookup.dto.js';

export function DescribeLookup() {
  const headers = headersOf('Cache-Control', 'ETag');
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({
      summary: 'Look up as many as 1000 avatars at once, by their ids and by hashes of e-mail addresses',
      description:
        'Send 1 to 1000 ids and hashes together. `lookup` is no id, so the path takes nothing else.',
    }),
    DescribeNoneMatch('The ETag of the last answer to the same lookup.'),
    ApiExtraModels(LookupBody),
    ApiBody({
      schema: withOneOf(LookupBody, ['ids', 'hashes'], { minItems: 1 }),
    }),
    ApiOkResponse({ type: LookupAnswer, headers, description: 'What there is of each.' }),
    ApiResponse({
      status: 304,
      headers,
      description: 'Nothing has changed since the answer that If-None-Match names.',
    }),
    DescribeRefusals(
      ...READS,
      ...BODIES,
      'invalid_json',
      'invalid_lookup',
      'precondition_failed',
      'unauthorized',
    ),
  );
}
