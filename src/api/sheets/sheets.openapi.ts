import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { DescribeNoneMatch } from '../openapi/parameters.js';
import {
  DescribePictureAs,
  DescribeScheme,
  PICTURE_HEADERS,
  SENT_HEADERS,
  contentOf,
} from '../openapi/pictures.js';
import { BODIES, DescribeRefusals, READS } from '../openapi/refusals.js';
import { SheetBody, SheetMap } from './sheets.dto.js';

const CONTENT = {
  ...contentOf('webp'),
  'application/json': { schema: { $ref: getSchemaPath(SheetMap) } },
};

export function DescribeSheet() {
  return applyDecorators(
    ApiExtraModels(SheetMap),
    DescribeScheme(),
    DescribePictureAs(
      CONTENT,
      'Get many avatars as one picture in a grid, or the map of that picture',
      'invalid_sheet',
      'sheet_too_large',
    ),
  );
}

export function DescribePostedSheet() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({
      summary: 'Get as many as 1000 avatars as one picture in a grid, or the map of that picture',
    }),
    DescribeScheme(),
    DescribeNoneMatch('The ETag of the last answer to the same request.'),
    ApiExtraModels(SheetMap),
    ApiBody({ type: SheetBody }),
    ApiOkResponse({ content: CONTENT, headers: SENT_HEADERS, description: 'The sheet, or its map.' }),
    ApiResponse({
      status: 304,
      headers: PICTURE_HEADERS,
      description: 'Nothing has changed since the answer that If-None-Match names.',
    }),
    DescribeRefusals(...READS, ...BODIES, 'invalid_json', 'invalid_sheet', 'sheet_too_large', 'unauthorized'),
  );
}
