import { applyDecorators } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation, ApiParam } from '@nestjs/swagger';
import { VersionAnswer } from '../avatars/avatars.dto.js';
import { PENDING } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribePrecondition } from '../openapi/parameters.js';
import { DescribeRefusals, JSON_BODIES, PRECONDITIONS, READS, WRITES } from '../openapi/refusals.js';
import { VERSION_SCHEMA } from '../openapi/schemas.js';
import { AltBody, HistoryAnswer, RestoreBody, VersionReceiptAnswer } from './history.dto.js';

const CHANGES = [...WRITES, ...PRECONDITIONS, ...JSON_BODIES, 'invalid_id', 'version_not_found'] as const;

export const DescribeHistory = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'getHistory',
      summary: 'Get the history: every version that is kept, and which one is current',
      description: 'Also what the last DELETE hid, and whether the avatar is locked.',
    }),
    ApiOkResponse({ type: HistoryAnswer, description: 'The history.' }),
    DescribeRefusals(...READS, 'invalid_id', 'ticket_outdated'),
  );

export const DescribeVersionErasure = () =>
  applyDecorators(
    ApiParam({ name: 'version', schema: VERSION_SCHEMA }),
    ApiOperation({
      operationId: 'removeVersion',
      summary: 'Remove one version for good',
      description:
        'Its pictures are deleted and its URLs stop working. The rest of the history and the e-mail addresses stay. If it is the current version, the avatar has no picture then. Without `If-Match` and `If-None-Match`: it does not matter what is current.',
    }),
    ApiOkResponse({ type: VersionReceiptAnswer, description: 'The version is erased.' }),
    ApiAcceptedResponse({ type: VersionReceiptAnswer, description: PENDING }),
    DescribeRefusals(...WRITES, 'invalid_id', 'invalid_precondition', 'invalid_version', 'version_not_found'),
  );

export const DescribeRestore = () => {
  const restored = { type: VersionAnswer, headers: headersOf('ETag') };
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({
      operationId: 'restoreVersion',
      summary: 'Make a version of the history current again',
      description: 'To undo an upload, or a DELETE: `hidden` of the history is what that took away.',
    }),
    ApiBody({ type: RestoreBody }),
    ApiOkResponse({ ...restored, description: 'The version is current.' }),
    ApiAcceptedResponse({ ...restored, description: PENDING }),
    DescribeRefusals(...CHANGES, 'invalid_version', 'ticket_outdated'),
  );
};

export const DescribeAlt = () =>
  applyDecorators(
    DescribePrecondition(),
    ApiOperation({
      operationId: 'setAlt',
      summary: 'Say what a version shows, for people who cannot see it',
      description:
        'The picture and its URLs stay as they are. Of two calls for one version, the later one counts.',
    }),
    ApiBody({ type: AltBody }),
    ApiOkResponse({ type: VersionAnswer, description: 'The version, with its alt.' }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
    DescribeRefusals(...CHANGES, 'avatar_not_found', 'invalid_alt'),
  );
