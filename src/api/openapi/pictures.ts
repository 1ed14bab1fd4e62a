import { applyDecorators } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { ErrorCode } from '../../errors.js';
import { headersOf } from './headers.js';
import { DescribeHeaders, DescribePictureHeaders } from './parameters.js';
import { DescribeRefusals, PICTURES, PROBLEM } from './refusals.js';
import { BINARY_SCHEMA } from './schemas.js';

/** The headers of a picture that is sent. */
export const SENT_HEADERS = headersOf('Accept-Ranges', 'Content-Disposition', 'ETag');

/** A picture of any format. Generators make a type for each entry: one is enough. */
const CONTENT = { 'image/*': { schema: BINARY_SCHEMA } };

/** What calls for pictures answer, for the components of the description. */
export const PICTURE_COMPONENTS = {
  Picture: { description: 'The picture.', content: CONTENT, headers: SENT_HEADERS },
  PictureElsewhere: {
    description: 'There is no picture, and `default` is a URL that AVATAR_DEFAULT_URLS allows.',
    headers: headersOf('Location'),
  },
  PictureNotModified: { description: 'The client has the picture already.', headers: headersOf('ETag') },
  PictureUnavailable: {
    description:
      'The storage cannot be used, or the service is too busy. Try again later. A client that has a copy of another picture gets the default for that time.',
    content: { ...PROBLEM, ...CONTENT },
    headers: headersOf('Retry-After'),
  },
  PartOfPicture: {
    description: 'The part that the Range asks for.',
    content: CONTENT,
    headers: { ...SENT_HEADERS, ...headersOf('Content-Range') },
  },
};

/**
 * A call that answers with a picture.
 * @param codes of refusals, besides those that every picture may answer with
 * @param whole what the answer is if no part of it is asked for
 */
export const DescribePicture = (
  operation: { operationId: string; summary: string; description: string },
  codes: readonly ErrorCode[],
  whole: Parameters<typeof ApiOkResponse>[0] = PICTURE_COMPONENTS.Picture,
) =>
  applyDecorators(
    ApiOperation(operation),
    DescribePictureHeaders(),
    ApiOkResponse(whole),
    ApiResponse({ status: 206, ...PICTURE_COMPONENTS.PartOfPicture }),
    ApiResponse({ status: 304, ...PICTURE_COMPONENTS.PictureNotModified }),
    ApiResponse({ status: 503, ...PICTURE_COMPONENTS.PictureUnavailable }),
    DescribeRefusals(...PICTURES, 'unsatisfiable_range', ...codes),
  );

export const DescribeAccept = () =>
  DescribeHeaders({
    Accept: 'The formats that the client can show. WebP and AVIF are served only if they are named.',
  });

export const DescribeRedirect = () => ApiResponse({ status: 302, ...PICTURE_COMPONENTS.PictureElsewhere });
