import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse } from '@nestjs/swagger';
import { SCHEME_HEADER } from '../../delivery/preferences.js';
import type { ErrorCode } from '../../errors.js';
import { RENDITION_FORMATS } from '../../model/formats.js';
import { DescribeNotModified } from './answers.js';
import { headersOf } from './headers.js';
import { DescribeHeaders } from './parameters.js';
import { DescribeRefusals, PICTURES, READS, refusal } from './refusals.js';
import { BINARY_SCHEMA } from './schemas.js';

/** The headers of a picture, also of one that the client has already. */
export const PICTURE_HEADERS = headersOf(
  'Cache-Control',
  'Content-Security-Policy',
  'Cross-Origin-Resource-Policy',
  'ETag',
  'Vary',
);
/** The headers of a picture that is sent. */
export const SENT_HEADERS = { ...PICTURE_HEADERS, ...headersOf('Accept-Ranges', 'Content-Disposition') };

/** The schema of a body, by media type. */
type Content = Record<string, { schema: { $ref: string } | typeof BINARY_SCHEMA }>;

export const contentOf = (...formats: readonly string[]): Content =>
  Object.fromEntries(formats.map((format) => [`image/${format}`, { schema: BINARY_SCHEMA }]));

/**
 * A call that answers with a picture.
 * @param codes of refusals, besides those that every picture may answer with
 * @param content what the picture may be, by media type
 */
export function DescribePicture(
  summary: string,
  codes: readonly ErrorCode[],
  content = contentOf(...RENDITION_FORMATS),
) {
  const unavailable = refusal(503, [...READS, 'picture_unreadable']);
  return applyDecorators(
    ApiOperation({ summary }),
    DescribeHeaders({
      'If-Match':
        'The ETag of the picture that is wanted, several, or *. If the picture has another, the answer is 412.',
    }),
    DescribeNotModified(
      'The ETag of a copy that the client has.',
      'The client has the picture already.',
      PICTURE_HEADERS,
    ),
    DescribeHeaders({
      Range:
        'The part of the picture to send, such as bytes=0-1023. The whole is sent if it is anything else.',
      'If-Range': 'The ETag that the Range is meant for. The whole is sent if the picture has another.',
    }),
    ApiOkResponse({ content, headers: SENT_HEADERS, description: 'The picture.' }),
    ApiResponse({
      status: 206,
      content,
      headers: { ...SENT_HEADERS, ...headersOf('Content-Range') },
      description: 'The part that the Range asks for.',
    }),
    DescribeRefusals(...PICTURES, 'unsatisfiable_range', ...codes),
    ApiResponse({
      status: 503,
      ...unavailable,
      content: { ...unavailable.content, ...content },
      // Nest joins it with the description of the refusal.
      description: 'A client that has a copy of another picture gets the default while the storage is away.',
    }),
  );
}

export const DescribeAccept = () =>
  DescribeHeaders({
    Accept: 'The formats that the client can show. WebP and AVIF are served only if they are named.',
  });

export const DescribeScheme = () =>
  DescribeHeaders({
    [SCHEME_HEADER]: 'dark: a default is drawn for a dark page, unless `scheme` says which.',
  });

export const DescribeRedirect = () =>
  ApiResponse({
    status: 302,
    description: 'There is no picture, and `default` is a URL that AVATAR_DEFAULT_URLS allows.',
    headers: headersOf('Cache-Control', 'Location'),
  });
