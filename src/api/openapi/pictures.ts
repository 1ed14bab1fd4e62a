import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiResponse } from '@nestjs/swagger';
import { SCHEME_HEADER } from '../../delivery/preferences.js';
import type { ErrorCode } from '../../errors.js';
import { RENDITION_FORMATS } from '../../model/formats.js';
import { headersOf } from './headers.js';
import { DescribeNoneMatch } from './parameters.js';
import { DescribeRefusals, READS, refusal } from './refusals.js';

export const header = (name: string, description: string) =>
  ApiHeader({ name, required: false, schema: { type: 'string' }, description });

export function DescribeAccept() {
  return header(
    'Accept',
    'The formats that the client can show. WebP and AVIF are served only if they are named.',
  );
}

export function DescribeScheme() {
  return header(SCHEME_HEADER, 'dark: a default is drawn for a dark page, unless `scheme` says which.');
}

export function DescribeRedirect() {
  return ApiResponse({
    status: 302,
    description: 'There is no picture, and `default` is a URL that AVATAR_DEFAULT_URLS allows.',
    headers: headersOf('Cache-Control', 'Location'),
  });
}

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
type Content = Record<string, { schema: { $ref: string } | { type: 'string'; format: 'binary' } }>;

/** Bytes, by media type. */
export function contentOf(...formats: readonly string[]): Content {
  const binary = { schema: { type: 'string' as const, format: 'binary' as const } };
  return Object.fromEntries(formats.map((format) => [`image/${format}`, binary]));
}

/** A call that answers with a picture. @param codes of refusals, besides those that every picture may answer with */
export function DescribePicture(summary: string, ...codes: ErrorCode[]) {
  return DescribePictureAs(contentOf(...RENDITION_FORMATS), summary, ...codes);
}

/** The same for a call that may answer with something else, too. @param content by media type */
export function DescribePictureAs(content: Content, summary: string, ...codes: ErrorCode[]) {
  const headers = SENT_HEADERS;
  const unavailable = refusal(503, [...READS, 'picture_unreadable']);
  return applyDecorators(
    ApiOperation({ summary }),
    header(
      'If-Match',
      'The ETag of the picture that is wanted, several, or *. If the picture has another, the answer is 412.',
    ),
    DescribeNoneMatch('The ETag of a copy that the client has.'),
    header(
      'Range',
      'The part of the picture to send, such as bytes=0-1023. The whole is sent if it is anything else.',
    ),
    header('If-Range', 'The ETag that the Range is meant for. The whole is sent if the picture has another.'),
    ApiOkResponse({ content, headers, description: 'The picture.' }),
    ApiResponse({
      status: 206,
      content,
      headers: { ...headers, ...headersOf('Content-Range') },
      description: 'The part that the Range asks for.',
    }),
    ApiResponse({
      status: 304,
      headers: PICTURE_HEADERS,
      description: 'The client has the picture already.',
    }),
    DescribeRefusals(
      ...READS,
      'image_too_large',
      'picture_unreadable',
      'precondition_failed',
      'unsatisfiable_range',
      ...codes,
    ),
    ApiResponse({
      status: 503,
      ...unavailable,
      content: { ...unavailable.content, ...content },
      description: `${unavailable.description} A client that has a copy of another picture gets the default while the storage is away.`,
    }),
  );
}
