import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { DescribeNotModified, NOTHING_CHANGED } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeRefusals, JSON_BODIES } from '../openapi/refusals.js';
import { LookupAnswer, LookupBody } from './lookup.dto.js';

export const DescribeLookup = () => {
  const headers = headersOf('ETag');
  return applyDecorators(
    ApiOperation({
      operationId: 'lookUpAvatars',
      summary: 'Look up as many as 1000 avatars at once, by their ids and by hashes of e-mail addresses',
      description:
        'Send 1 to 1000 different ids and hashes together. A text that is no id, hash or name is an error of its entry, and any other mistake one of the request. `lookup` is no id, so the path takes nothing else.',
    }),
    ApiBody({ type: LookupBody }),
    ApiOkResponse({ type: LookupAnswer, headers, description: 'What there is of each.' }),
    DescribeNotModified('The ETag of the last answer to the same lookup.', NOTHING_CHANGED, headers),
    DescribeRefusals(...JSON_BODIES, 'busy', 'invalid_lookup', 'precondition_failed', 'storage_unavailable'),
  );
};
