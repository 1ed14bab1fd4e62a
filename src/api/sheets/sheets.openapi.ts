import { applyDecorators } from '@nestjs/common';
import { ApiBody, ApiExtraModels, ApiOkResponse, ApiOperation, getSchemaPath } from '@nestjs/swagger';
import { DescribeNotModified, NOTHING_CHANGED } from '../openapi/answers.js';
import {
  DescribePicture,
  DescribeScheme,
  PICTURE_HEADERS,
  SENT_HEADERS,
  contentOf,
} from '../openapi/pictures.js';
import { DescribeRefusals, JSON_BODIES, READS } from '../openapi/refusals.js';
import { SheetBody, SheetMap } from './sheets.dto.js';

const CONTENT = {
  ...contentOf('webp'),
  'application/json': { schema: { $ref: getSchemaPath(SheetMap) } },
};

export const DescribeSheet = () =>
  applyDecorators(
    ApiExtraModels(SheetMap),
    DescribeScheme(),
    DescribePicture(
      'Get many avatars as one picture in a grid, or the map of that picture',
      ['invalid_sheet', 'sheet_too_large'],
      CONTENT,
    ),
  );

export const DescribePostedSheet = () =>
  applyDecorators(
    ApiOperation({
      summary: 'Get as many as 1000 avatars as one picture in a grid, or the map of that picture',
    }),
    ApiBody({ type: SheetBody }),
    DescribeScheme(),
    ApiOkResponse({ content: CONTENT, headers: SENT_HEADERS, description: 'The sheet, or its map.' }),
    DescribeNotModified('The ETag of the last answer to the same request.', NOTHING_CHANGED, PICTURE_HEADERS),
    DescribeRefusals(...READS, ...JSON_BODIES, 'invalid_sheet', 'precondition_failed', 'sheet_too_large'),
  );
