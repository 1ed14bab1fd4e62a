import { applyDecorators } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiCreatedResponse,
  ApiExtraModels,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiPropertyOptional,
  ApiQuery,
  getSchemaPath,
} from '@nestjs/swagger';
import { DescribeNotModified, PENDING } from '../openapi/answers.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeHeaders, DescribePrecondition, DescribeScheme } from '../openapi/parameters.js';
import { DescribeAccept, DescribePicture, DescribeRedirect } from '../openapi/pictures.js';
import { BODIES, DescribeRefusals, PICTURES, PRECONDITIONS, READS, WRITES } from '../openapi/refusals.js';
import { ALT_SCHEMA, BINARY_SCHEMA, INSTANT_TEXT_SCHEMA } from '../openapi/schemas.js';
import { NoOtherFields } from '../rules.js';
import {
  ExistsAnswer,
  InfoAnswer,
  PendingAnswer,
  ReceiptAnswer,
  UrlAnswer,
  VersionAnswer,
} from './avatars.dto.js';
import { CROP_SCHEMA, ROTATE_SCHEMA } from './upload.query.js';

const WISHES = ['invalid_animated', 'invalid_format', 'invalid_size'] as const;

const SAME = { description: 'The same as the query parameter.' };

/** The form that an upload may be. */
@NoOtherFields()
class UploadForm {
  @ApiProperty({ ...BINARY_SCHEMA, description: 'The picture.' })
  file!: unknown;

  @ApiPropertyOptional({ ...ROTATE_SCHEMA, ...SAME })
  rotate?: string;

  @ApiPropertyOptional({ ...CROP_SCHEMA, ...SAME })
  crop?: string;

  @ApiPropertyOptional({ ...ALT_SCHEMA, ...SAME })
  alt?: string;
}

/** @param operationId of the method that the upload comes by */
export const DescribeUpload = (operationId: string, summary: string) => {
  const stored = {
    type: VersionAnswer,
    headers: headersOf('ETag', 'Location', 'RateLimit-Policy', 'RateLimit'),
  };
  return applyDecorators(
    DescribePrecondition(),
    ApiExtraModels(UploadForm),
    ApiOperation({
      operationId,
      summary,
      description:
        'Send a form or the bare picture. If the query and the form both have `rotate`, `crop` or `alt`, they have to be the same.',
      requestBody: {
        required: true,
        content: {
          'multipart/form-data': { schema: { $ref: getSchemaPath(UploadForm) } },
          'image/*': { schema: BINARY_SCHEMA },
        },
      },
    }),
    ApiCreatedResponse({ ...stored, description: 'A new version was stored and is current.' }),
    ApiOkResponse({
      ...stored,
      description: 'A version was made from the same upload already: it is current, or has the same ticket.',
    }),
    ApiAcceptedResponse({ ...stored, description: PENDING }),
    DescribeRefusals(
      ...WRITES,
      ...PRECONDITIONS,
      ...BODIES,
      'empty_file',
      'image_too_large',
      'invalid_alt',
      'invalid_boundary',
      'invalid_crop',
      'invalid_form',
      'invalid_id',
      'invalid_rotate',
      'no_file',
      'rate_limited',
      'ticket_outdated',
      'ticket_used',
      'too_many_files',
      'unexpected_field',
      'unreadable_image',
      'unsupported_image',
    ),
  );
};

export const DescribeCurrentPicture = () =>
  applyDecorators(
    DescribeAccept(),
    DescribeHeaders({
      'Sec-CH-Prefers-Reduced-Motion': 'reduce: animations are served as their first frame.',
      'Save-Data': 'on: animations are served as their first frame.',
    }),
    DescribeScheme(),
    DescribeRedirect(),
    DescribePicture(
      {
        operationId: 'getAvatar',
        summary: 'Get the current picture',
        description: 'Without a picture it is the default: what the query or else AVATAR_DEFAULT says.',
      },
      [...WISHES, 'avatar_not_found', 'invalid_default', 'invalid_id'],
    ),
  );

export const DescribeExists = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'hasAvatar',
      summary: 'Tell whether there is a current picture',
      description: 'A default is none. `POST /v1/avatars/lookup` tells it of many avatars at once.',
    }),
    ApiOkResponse({ type: ExistsAnswer, description: 'Whether there is one.' }),
    DescribeRefusals(...READS, 'invalid_id'),
  );

export const DescribeUrl = () => {
  const headers = headersOf('ETag');
  return applyDecorators(
    ApiOperation({
      operationId: 'getAvatarUrl',
      summary: 'Get the URL of the current picture',
      description: 'The URL leads to the service, to the CDN, or straight to the bucket if it is presigned.',
    }),
    ApiOkResponse({ type: UrlAnswer, headers, description: 'The URL.' }),
    DescribeNotModified(
      'The ETag of the last answer.',
      'The URL is that of the answer that If-None-Match names.',
      headers,
    ),
    DescribeRefusals(...PICTURES, ...WISHES, 'avatar_not_found', 'invalid_id'),
  );
};

export const DescribeInfo = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'getAvatarInfo',
      summary: 'Get the facts of the current version, with its immutable URLs',
      description: 'What is behind an immutable URL never changes: browsers and CDNs keep it for a year.',
    }),
    ApiOkResponse({ type: InfoAnswer, description: 'The facts.' }),
    DescribeRefusals(...READS, 'avatar_not_found', 'invalid_id'),
  );

export const DescribeDelete = () =>
  applyDecorators(
    DescribePrecondition(),
    ApiOperation({
      operationId: 'deleteAvatar',
      summary: 'Delete the current picture, or with erase=true the whole avatar for good',
      description:
        'An avatar that is absent counts as deleted. Without erase=true the history stays. erase=true takes neither If-Match nor If-None-Match.',
    }),
    ApiQuery({ name: 'erase', required: false, schema: { type: 'boolean', default: false } }),
    ApiQuery({
      name: 'before',
      required: false,
      schema: INSTANT_TEXT_SCHEMA,
      description:
        'Repeats an erasure: only what was uploaded or registered up to then is erased. Send the `erasedAt` of a receipt. Needs erase=true, and may be at most a day in the future.',
    }),
    ApiNoContentResponse({ description: 'The picture is deleted.' }),
    ApiOkResponse({ type: ReceiptAnswer, description: 'The avatar is erased.' }),
    ApiAcceptedResponse({ type: PendingAnswer, description: PENDING }),
    DescribeRefusals(
      ...WRITES,
      ...PRECONDITIONS,
      'invalid_before',
      'invalid_erase',
      'invalid_id',
      'ticket_outdated',
    ),
  );
