import { applyDecorators } from '@nestjs/common';
import {
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
} from '@nestjs/swagger';
import { GRAVATAR_DEFAULTS } from '../delivery/gravatar-requests.js';
import { DescribePicture } from './avatars.openapi.js';
import { DescribeRefusals, headersOf } from './problems.openapi.js';

const text = (name: string, description: string) =>
  ApiQuery({ name, required: false, description, schema: { type: 'string' } });

export function DescribeGravatar() {
  return applyDecorators(
    DescribePicture(
      'The picture that belongs to the hash of an e-mail address, as Gravatar and Libravatar serve it',
    ),
    ApiParam({
      name: 'hash',
      description:
        'MD5 or SHA-256 of the trimmed, lower-case address in hex. `.jpg`, `.jpeg`, `.png`, `.webp`, `.gif` or `.avif` may follow.',
    }),
    text('size', 'Edge in px, 80 by default, at most GRAVATAR_MAX_SIZE. Also `s`; the long names win.'),
    ApiQuery({
      name: 'default',
      required: false,
      description: 'What is shown where there is no picture, or an allowed URL. Also `d`.',
      schema: {
        anyOf: [
          { type: 'string', enum: [...GRAVATAR_DEFAULTS] },
          { type: 'string', format: 'uri' },
        ],
      },
    }),
    text('forcedefault', '`y`: the default even where there is a picture. Also `f`.'),
    text('rating', 'Ignored. Also `r`.'),
    text('name', 'Of a person, for `default=initials`.'),
    text('initials', 'For `default=initials`.'),
    ApiResponse({
      status: 302,
      description: 'There is no picture, and `default` is an allowed URL',
      headers: headersOf('Cache-Control', 'Location'),
    }),
  );
}

export function DescribeGravatarDefaults() {
  return applyDecorators(
    ApiOperation({ summary: 'Which defaults there are, in the header Allow' }),
    ApiOkResponse({ description: 'The defaults', headers: headersOf('Allow') }),
    ApiNoContentResponse({ description: 'The answer to the pre-flight request of a browser' }),
  );
}

export function DescribeNoHash() {
  return applyDecorators(ApiOperation({ summary: 'Refused: there is no hash' }), DescribeRefusals(400));
}
