import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiExtraModels, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { headersOf } from '../openapi/headers.js';
import { withOneOf } from '../openapi/one-of.js';
import { DescribeId } from '../openapi/parameters.js';
import { BODIES, DescribeRefusals, READS, WRITES } from '../openapi/refusals.js';
import { AliasesAnswer, AliasesBody } from './aliases.dto.js';

const listed = { type: AliasesAnswer, headers: headersOf('Cache-Control'), description: 'The hashes.' };

export function DescribeAliases() {
  return applyDecorators(
    ApiBearerAuth(),
    DescribeId(),
    ApiOperation({ summary: 'List the hashes of e-mail addresses that stand for the avatar' }),
    ApiOkResponse(listed),
    DescribeRefusals(...READS, 'invalid_id', 'unauthorized'),
  );
}

export function DescribeAliasesChange() {
  return applyDecorators(
    ApiBearerAuth(),
    DescribeId(),
    ApiOperation({
      summary: 'Replace the e-mail addresses that stand for the avatar',
      description:
        'Send one list or both, with at most 50 entries together. Empty lists remove all. An address that stands for another avatar stands for this one from now on.',
    }),
    ApiExtraModels(AliasesBody),
    ApiBody({
      schema: withOneOf(AliasesBody, ['emails', 'hashes']),
    }),
    ApiOkResponse(listed),
    DescribeRefusals(...WRITES, ...BODIES, 'invalid_aliases', 'invalid_id', 'invalid_json'),
  );
}
