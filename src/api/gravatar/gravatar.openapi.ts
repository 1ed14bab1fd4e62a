import { applyDecorators } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiQuery } from '@nestjs/swagger';
import { Constants } from '../../config/constants.js';
import { FALLBACK_NAMES } from '../../delivery/fallbacks.js';
import { headersOf } from '../openapi/headers.js';
import { DescribeAccept, DescribePicture, DescribeRedirect } from '../openapi/pictures.js';
import { DescribeScheme } from '../openapi/parameters.js';

const TEXT = { type: 'string' as const };

const query = (name: string, description: string, schema: object = TEXT) =>
  ApiQuery({ name, required: false, description, schema });

/** Under both names that Gravatar's clients use. */
const either = (long: string, short: string, description: string, schema?: object) =>
  applyDecorators(query(long, description, schema), query(short, `The same as ${long}.`, schema));

export const DescribeGravatar = () =>
  applyDecorators(
    DescribePicture(
      {
        operationId: 'getAvatarByHash',
        summary: 'Get the picture of an e-mail address by its hash, as Gravatar and Libravatar serve it',
        description: 'Point a client of theirs here. What it asks for and is not known counts as left out.',
      },
      ['avatar_not_found'],
    ),
    DescribeAccept(),
    DescribeScheme(),
    ApiParam({
      name: 'hash',
      schema: { ...TEXT, maxLength: 1024, example: 'c160f8cc69a4f0bf2b0362752353d060.png' },
      description:
        'MD5 or SHA-256 in hex of the trimmed, lower-cased address; with ALIAS_KEY its HMAC-SHA256. `.jpg`, `.jpeg`, `.png`, `.webp`, `.gif` or `.avif` may follow. Any other text gets the default picture.',
    }),
    either('size', 's', `The edge in px, 80 by default and at most ${new Constants().gravatarMaxSize}.`),
    either(
      'default',
      'd',
      `What to show if there is no picture: ${FALLBACK_NAMES.join(', ')}, or an allowed URL. Anything else counts as AVATAR_DEFAULT.`,
    ),
    either('forcedefault', 'f', '`y`: show the default even if there is a picture.'),
    either('rating', 'r', 'Ignored: every picture is served.'),
    query('name', 'The name of the person, for `default=initials`.'),
    query('initials', 'The initials to show instead of those of the name.'),
    query(
      'scheme',
      '`light` or `dark`: colors of the default for a light or a dark page. Anything else is ignored.',
    ),
    DescribeRedirect(),
  );

export const DescribeGravatarDefaults = () =>
  applyDecorators(
    ApiOperation({
      operationId: 'listDefaults',
      summary: 'List the default pictures, in the header Allow',
      description: 'As Libravatar has it: these are the values of `default`.',
    }),
    ApiOkResponse({ description: 'Allow lists the defaults.', headers: headersOf('Allow') }),
    ApiNoContentResponse({ description: 'The answer to the pre-flight request of a browser.' }),
  );
