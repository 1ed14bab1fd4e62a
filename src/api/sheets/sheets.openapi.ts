import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiOkResponse, ApiOperation, getSchemaPath } from '@nestjs/swagger';
import { DescribeNotModified, NOTHING_CHANGED } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeScheme } from '../openapi/parameters.js';
import { DescribePicture, SENT_HEADERS } from '../openapi/pictures.js';
import { DescribeRefusals, JSON_BODIES, READS } from '../openapi/refusals.js';
import { BINARY_SCHEMA } from '../openapi/schemas.js';
import { SheetBody, SheetMap } from './sheets.dto.js';

const SHEET = {
  description: 'The sheet, or its map.',
  content: {
    'image/webp': { schema: BINARY_SCHEMA },
    'application/json': { schema: { $ref: getSchemaPath(SheetMap) } },
  },
  headers: SENT_HEADERS,
};

export const DescribeSheet = () =>
  applyDecorators(
    ApiExtraModels(SheetMap),
    DescribeScheme(),
    DescribePicture(
      {
        operationId: 'getSheet',
        summary: 'Get many avatars as one picture in a grid, or the map of that picture',
        description: 'One request for a page full of people. The map says where each of them is.',
      },
      ['invalid_sheet', 'sheet_too_large'],
      SHEET,
    ),
  );

export const DescribePostedSheet = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'makeSheet',
      summary: 'Get as many as 1000 avatars as one picture in a grid, or the map of that picture',
      description: 'The same as GET, with a body for what no URL has room for.',
    }),
    ApiBody({ type: SheetBody }),
    DescribeScheme(),
    ApiOkResponse(SHEET),
    DescribeNotModified(
      'The ETag of the last answer to the same request.',
      NOTHING_CHANGED,
      headersOf('ETag'),
    ),
    DescribeRefusals(...READS, ...JSON_BODIES, 'invalid_sheet', 'precondition_failed', 'sheet_too_large'),
  );
