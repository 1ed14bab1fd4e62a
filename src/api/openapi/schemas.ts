import { MOVING_FORMATS, RENDITION_FORMATS, RENDITION_SIZES } from '../../model/formats.js';
import { ID } from '../../model/keys.js';
import { TEXT_CHARACTERS } from '../../model/manifest-format.js';

const text = (pattern: string, example: string) => ({ type: 'string' as const, pattern, example });

/** The id of an avatar. */
export const ID_SCHEMA = {
  type: 'string' as const,
  pattern: ID.source,
  minLength: 1,
  maxLength: 80,
  description: 'Not `lookup`, which is the name of a call.',
  example: 'alice',
};

/** The id as immutable URLs write it, see `encodeId`. */
export const ENCODED_ID_SCHEMA = text(
  '^(?:[a-z0-9_-]|~(?:4[1-9a-f]|5[0-9a]))(?:[a-z0-9_-]|~(?:2[be]|3[ad]|4[0-9a-f]|5[0-9a]|7[ce])){0,79}$',
  'alice~40example~2ecom',
);

/** A UUIDv7 (RFC 9562). The first digit keeps it within the years that a date can have. */
export const VERSION_SCHEMA = text(
  '^[0-9a-d][0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  '019e0a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b',
);

/** The last part of an immutable URL, see `parseRenditionName`. */
export const RENDITION_SCHEMA = text(
  `^(?:(?:master|[1-9][0-9]{0,3})\\.(?:${RENDITION_FORMATS.join('|')})|[1-9][0-9]{0,3}-still\\.(?:${MOVING_FORMATS.join('|')}))$`,
  '256.webp',
);

const MD5 = 'c160f8cc69a4f0bf2b0362752353d060';
/** The MD5 or SHA-256 of an e-mail address, as requests may write it. */
export const ANY_CASE_HASH_SCHEMA = text('^(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{64})$', MD5);
/** The same as answers write it. */
export const HASH_SCHEMA = text('^(?:[0-9a-f]{32}|[0-9a-f]{64})$', MD5);

/** The edge of a rendition in px. */
export const SIZE_SCHEMA = {
  type: 'integer' as const,
  minimum: RENDITION_SIZES.min,
  maximum: RENDITION_SIZES.max,
};

/** An instant as every answer writes it: UTC with milliseconds. */
export const INSTANT_SCHEMA = {
  type: 'string' as const,
  format: 'date-time',
  example: '2026-01-31T12:00:00.000Z',
};
/** The same in a request. No `date-time`: clients would write it in their own way, often without the ms. */
export const INSTANT_TEXT_SCHEMA = text(
  '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$',
  INSTANT_SCHEMA.example,
);

/** What a picture shows, for people who cannot see it. */
export const ALT_SCHEMA = {
  type: 'string' as const,
  pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
  maxLength: TEXT_CHARACTERS,
};

export const THUMBHASH_SCHEMA = {
  type: 'string' as const,
  format: 'byte',
  example: '1QcSHQRnh493V4dIh4eXh1h4kJUI',
};

export const COLOR_SCHEMA = text('^#[0-9a-f]{6}$', '#35a788');

export const BINARY_SCHEMA = { type: 'string' as const, format: 'binary' };

export const SCHEMES = ['light', 'dark'] as const;
export const SCHEME_SCHEMA = {
  type: 'string' as const,
  enum: SCHEMES,
  description:
    'Colours for a light or a dark page. By default the header Sec-CH-Prefers-Color-Scheme decides.',
};

/** URLs by size in px. */
export const URLS_SCHEMA = {
  type: 'object' as const,
  additionalProperties: { type: 'string', format: 'uri' },
};
