import { applyDecorators } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiBody, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { VersionAnswer } from '../avatars/avatars.dto.js';
import { PENDING } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeId, DescribePrecondition } from '../openapi/parameters.js';
import { BODIES, DescribeRefusals, PRECONDITIONS, READS, WRITES } from '../openapi/refusals.js';
import { AltBody } from './alt.dto.js';
import { HistoryAnswer, RestoreBody } from './history.dto.js';

export function DescribeHistory() {
  return applyDecorators(
    ApiBearerAuth(),
    DescribeId(),
    ApiOperation({ summary: 'Get the history: every version that is kept, and which one is current' }),
    ApiOkResponse({ type: HistoryAnswer, headers: headersOf('Cache-Control'), description: 'The history.' }),
    DescribeRefusals(...READS, 'invalid_id', 'unauthorized'),
  );
}

export function DescribeRestore() {
  const restored = { type: VersionAnswer, headers: headersOf('ETag') };
  return applyDecorators(
    ApiBearerAuth(),
    DescribeId(),
    DescribePrecondition(),
    ApiOperation({ summary: 'Make a version of the history current again' }),
    ApiBody({ type: RestoreBody }),
    ApiOkResponse({ ...restored, description: 'The version is current.' }),
    ApiAcceptedResponse({ ...restored, description: PENDING }),
    DescribeRefusals(
      ...WRITES,
      ...PRECONDITIONS,
      ...BODIES,
      'invalid_id',
      'invalid_json',
      'invalid_version',
      'version_not_found',
    ),
  );
}

export function DescribeAlt() {
  return applyDecorators(
    ApiBearerAuth(),
    DescribeId(),
    DescribePrecondition(),
    ApiOperation({
      summary: 'Say what a version shows, for people who cannot see it',
      description:
        'The picture and its URLs stay as they are. Of two calls for one version, the later one counts.',
    }),
    ApiBody({ type: AltBody }),
    ApiOkResponse({ type: VersionAnswer, description: 'The version, with its alt.' }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
    DescribeRefusals(
      ...WRITES,
      ...PRECONDITIONS,
      ...BODIES,
      'avatar_not_found',
      'invalid_alt',
      'invalid_id',
      'invalid_json',
      'version_not_found',
    ),
  );
}
