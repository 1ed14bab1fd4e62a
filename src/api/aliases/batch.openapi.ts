import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { DescribeRefusals, JSON_BODIES } from '../openapi/refusals.js';
import { DescribeIfFree } from './aliases.openapi.js';
import { BatchAnswer, BatchBody } from './batch.dto.js';

export const DescribeBatch = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'setAllAliases',
      summary: 'Replace the e-mail addresses of as many as 1000 avatars',
      description:
        'Avatars that the body does not name keep theirs. Each avatar is changed by itself, so some may be refused while others are changed.',
    }),
    DescribeIfFree(),
    ApiBody({ type: BatchBody }),
    ApiOkResponse({ type: BatchAnswer, description: 'How each ended.' }),
    DescribeRefusals(...JSON_BODIES, 'busy', 'invalid_aliases'),
  );
