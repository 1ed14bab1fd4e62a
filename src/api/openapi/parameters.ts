import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiParam } from '@nestjs/swagger';
import { ID_SCHEMA } from './schemas.js';

const ETAG = '(?:W/)?"[!#-~\\u0080-\\u00ff]*"';
const TEXT = { type: 'string' as const };

export const DescribeId = () =>
  ApiParam({ name: 'id', schema: ID_SCHEMA, description: 'The id of the avatar.' });

/** Headers that a request may have, with what each of them means. */
export const DescribeHeaders = (headers: Record<string, string>) =>
  applyDecorators(...Object.entries(headers).map(([name, description]) => optional(name, description)));

/** The headers that make a write depend on what is current. */
export const DescribePrecondition = () =>
  applyDecorators(
    optional(
      'If-Match',
      'Write only if this is current: the ETag of a version in double quotes, several of them, or * for any. Not together with If-None-Match.',
      { ...TEXT, pattern: `^(?:\\*|${ETAG}(?:\\s*,\\s*${ETAG})*)$` },
    ),
    optional('If-None-Match', '*: write only if there is no current picture. Not together with If-Match.', {
      ...TEXT,
      enum: ['*'],
    }),
  );

function optional(name: string, description: string, schema: object = TEXT) {
  return ApiHeader({ name, required: false, schema, description });
}
