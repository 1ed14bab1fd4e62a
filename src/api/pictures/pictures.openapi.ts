import { applyDecorators } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { DescribePicture } from '../openapi/pictures.js';
import { ENCODED_ID_SCHEMA, RENDITION_SCHEMA, VERSION_SCHEMA } from '../openapi/schemas.js';

export const DescribeRendition = () =>
  applyDecorators(
    ApiParam({
      name: 'id',
      schema: ENCODED_ID_SCHEMA,
      description: 'The id, with ~xx for every character but a-z 0-9 - _. Copy these URLs from `/info`.',
    }),
    ApiParam({ name: 'version', schema: VERSION_SCHEMA }),
    ApiParam({ name: 'rendition', schema: RENDITION_SCHEMA, description: 'Size and format, or `master`.' }),
    DescribePicture(
      {
        operationId: 'getRendition',
        summary: 'Get one rendition of one version: its bytes never change',
        description: 'The URLs that `/info`, `/versions` and lookups give lead here.',
      },
      ['invalid_id', 'rendition_not_found'],
    ),
  );
