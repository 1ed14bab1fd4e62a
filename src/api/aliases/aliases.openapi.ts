import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiQuery } from '@nestjs/swagger';
import { DescribeRefusals, JSON_BODIES, READS, WRITES } from '../openapi/refusals.js';
import { AliasesAnswer, AliasesBody, AliasesChange } from './aliases.dto.js';

export const DescribeAliases = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'getAliases',
      summary: 'List the hashes of e-mail addresses that stand for the avatar',
      description: 'The addresses themselves are not kept.',
    }),
    ApiOkResponse({ type: AliasesAnswer, description: 'The hashes.' }),
    DescribeRefusals(...READS, 'invalid_id'),
  );

export const DescribeAliasesChange = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'setAliases',
      summary: 'Replace the e-mail addresses that stand for the avatar',
      description:
        'Send one list or both, with at most 50 entries together. Empty lists remove all. An address that stands for another avatar stands for this one from now on, and `takenFrom` tells of it.',
    }),
    DescribeIfFree(),
    ApiBody({ type: AliasesBody }),
    ApiOkResponse({ type: AliasesChange, description: 'The hashes.' }),
    DescribeRefusals(...WRITES, ...JSON_BODIES, 'alias_taken', 'invalid_aliases', 'invalid_id'),
  );

export const DescribeIfFree = () =>
  ApiQuery({
    name: 'ifFree',
    required: false,
    schema: { type: 'boolean', default: false },
    description: 'true: refuse the change with 409 if one of the addresses stands for another avatar.',
  });
