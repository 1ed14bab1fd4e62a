import { applyDecorators } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { PENDING } from '../openapi/answers.js';
import { DescribeRefusals, JSON_BODIES, WRITES } from '../openapi/refusals.js';
import { LockAnswer, LockBody } from './lock.dto.js';

export const DescribeLock = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'setLock',
      summary: 'Lock an avatar, or unlock it',
      description:
        'While it is locked, only keys with `admin` can upload, delete, restore and describe its pictures. All others get 423 with the reason. What is shown stays, and e-mail addresses can still be changed.',
    }),
    ApiBody({ type: LockBody }),
    ApiOkResponse({ type: LockAnswer, description: 'The lock as it is now.' }),
    ApiAcceptedResponse({ type: LockAnswer, description: PENDING }),
    DescribeRefusals(...WRITES, ...JSON_BODIES, 'invalid_id', 'invalid_lock'),
  );
