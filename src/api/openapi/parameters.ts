import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiParam } from '@nestjs/swagger';
import { ID_SCHEMA } from './schemas.js';

const ETAG = '(?:W/)?"[!#-~\\u0080-\\u00ff]*"';

export function DescribeId() {
  return ApiParam({ name: 'id', schema: ID_SCHEMA, description: 'The id of the avatar.' });
}

/** The headers that make a write depend on what is current. */
export function DescribePrecondition() {
  return applyDecorators(
    ApiHeader({
      name: 'If-Match',
      required: false,
      schema: { type: 'string', pattern: `^(?:\\*|${ETAG}(?:\\s*,\\s*${ETAG})*)$` },
      description:
        'Write only if this is current: the ETag of a version in double quotes, several of them, or * for any. Not together with If-None-Match.',
    }),
    ApiHeader({
      name: 'If-None-Match',
      required: false,
      schema: { type: 'string', enum: ['*'] },
      description: '*: write only if there is no current picture. Not together with If-Match.',
    }),
  );
}

/** The headers that let a reader keep a copy. */
export function DescribeNoneMatch(description: string) {
  return ApiHeader({ name: 'If-None-Match', required: false, schema: { type: 'string' }, description });
}
