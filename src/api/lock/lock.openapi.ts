import { applyDecorators } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { PENDING } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeRefusals, JSON_BODIES, WRITES } from '../openapi/refusals.js';
import { LockAnswer, LockBody } from './lock.dto.js';

const answer = { type: LockAnswer, headers: headersOf('Cache-Control') };

export const DescribeLock = () =>
  applyDecorators(
    ApiOperation({
      summary: 'Lock an avatar, or unlock it',
      description:
        'While it is locked, only keys with `admin` can upload, delete, restore and describe its pictures. All others get 423 with the reason. What is shown stays, and e-mail addresses can still be changed.',
    }),
    ApiBody({ type: LockBody }),
    ApiOkResponse({ ...answer, description: 'The lock as it is now.' }),
    ApiAcceptedResponse({ ...answer, description: PENDING }),
    DescribeRefusals(...WRITES, ...JSON_BODIES, 'invalid_id', 'invalid_lock'),
  );
