import { applyDecorators } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { VersionAnswer } from '../avatars/avatars.dto.js';
import { PENDING } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribePrecondition } from '../openapi/parameters.js';
import { DescribeRefusals, JSON_BODIES, PRECONDITIONS, READS, WRITES } from '../openapi/refusals.js';
import { AltBody, HistoryAnswer, RestoreBody } from './history.dto.js';

const CHANGES = [...WRITES, ...PRECONDITIONS, ...JSON_BODIES, 'invalid_id', 'version_not_found'] as const;

export const DescribeHistory = () =>
  applyDecorators(
    ApiOperation({ summary: 'Get the history: every version that is kept, and which one is current' }),
    ApiOkResponse({ type: HistoryAnswer, headers: headersOf('Cache-Control'), description: 'The history.' }),
    DescribeRefusals(...READS, 'invalid_id', 'unauthorized'),
  );

export const DescribeRestore = () => {
  const restored = { type: VersionAnswer, headers: headersOf('ETag') };
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({ summary: 'Make a version of the history current again' }),
    ApiBody({ type: RestoreBody }),
    ApiOkResponse({ ...restored, description: 'The version is current.' }),
    ApiAcceptedResponse({ ...restored, description: PENDING }),
    DescribeRefusals(...CHANGES, 'invalid_version'),
  );
};

export const DescribeAlt = () =>
  applyDecorators(
    DescribePrecondition(),
    ApiOperation({
      summary: 'Say what a version shows, for people who cannot see it',
      description:
        'The picture and its URLs stay as they are. Of two calls for one version, the later one counts.',
    }),
    ApiBody({ type: AltBody }),
    ApiOkResponse({ type: VersionAnswer, description: 'The version, with its alt.' }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
    DescribeRefusals(...CHANGES, 'avatar_not_found', 'invalid_alt'),
  );
