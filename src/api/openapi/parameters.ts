import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiParam } from '@nestjs/swagger';
import { SCHEME_HEADER } from '../../delivery/preferences.js';
import { ID_SCHEMA } from './schemas.js';

/** An ETag. Not with its quotes as such: generators put patterns into texts of their language. */
const ETAG = '(?:W/)?\\x22[!#-~\\x80-\\xff]*\\x22';
const TEXT = { type: 'string' as const };

const header = (name: string, description: string, schema: object = TEXT) => ({
  name,
  in: 'header' as const,
  description,
  schema,
});

/** What several calls take, for the components of the description. */
export const PARAMETER_COMPONENTS = {
  Id: {
    name: 'id',
    in: 'path' as const,
    required: true,
    schema: ID_SCHEMA,
    description: 'The id of the avatar.',
  },
  ColorScheme: header(SCHEME_HEADER, 'dark: a default is drawn for a dark page, unless `scheme` says which.'),
  CurrentVersion: header(
    'If-Match',
    'Write only if this is current: the ETag of a version in double quotes, several of them, or * for any. Not together with If-None-Match.',
    { ...TEXT, pattern: `^(?:\\*|${ETAG}(?:\\s*,\\s*${ETAG})*)$` },
  ),
  NoVersion: header(
    'If-None-Match',
    '*: write only if there is no current picture. Not together with If-Match.',
    { ...TEXT, enum: ['*'] },
  ),
  WantedPicture: header(
    'If-Match',
    'The ETag of the picture that is wanted, several, or *. If the picture has another, the answer is 412.',
  ),
  KnownPicture: header('If-None-Match', 'The ETag of a copy that the client has.'),
  Range: header(
    'Range',
    'The part of the picture to send, such as bytes=0-1023. The whole is sent if it is anything else.',
  ),
  RangeOf: header(
    'If-Range',
    'The ETag that the Range is meant for. The whole is sent if the picture has another.',
  ),
};

export const DescribeId = () => ApiParam(PARAMETER_COMPONENTS.Id);

/** The header that says for which page a default is drawn. */
export const DescribeScheme = () => ApiHeader(PARAMETER_COMPONENTS.ColorScheme);

/** The headers that make a write depend on what is current. */
export const DescribePrecondition = () =>
  applyDecorators(ApiHeader(PARAMETER_COMPONENTS.CurrentVersion), ApiHeader(PARAMETER_COMPONENTS.NoVersion));

/** The headers that say which picture, and which part of it, is to be sent. */
export const DescribePictureHeaders = () => {
  const { KnownPicture, Range, RangeOf, WantedPicture } = PARAMETER_COMPONENTS;
  return applyDecorators(...[WantedPicture, KnownPicture, Range, RangeOf].map((one) => ApiHeader(one)));
};

/** Headers that a request may have, with what each of them means. */
export const DescribeHeaders = (headers: Record<string, string>) =>
  applyDecorators(
    ...Object.entries(headers).map(([name, description]) => ApiHeader(header(name, description))),
  );
