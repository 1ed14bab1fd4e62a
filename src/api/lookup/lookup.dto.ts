import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, ValidateIf } from 'class-validator';
import { RENDITION_FORMATS, RENDITION_SIZES, type RenditionFormat } from '../../model/formats.js';
import { isRenditionSize } from '../../model/rendition.js';
import { FALLBACK_NAMES, type Fallback, type Fallbacks } from '../../delivery/fallbacks.js';
import { CodedError, type ErrorCode } from '../../errors.js';
import { NAME_CHARACTERS } from '../avatars/default.query.js';
import {
  COLOR_SCHEMA,
  HASH_SCHEMA,
  ID_SCHEMA,
  SIZE_SCHEMA,
  THUMBHASH_SCHEMA,
  URLS_SCHEMA,
  VERSION_SCHEMA,
} from '../openapi/schemas.js';
import { Must, NoOtherFields, OptionalField, distinctOf, isObject, lengthOf } from '../rules.js';

/** Different ids and hashes together. */
const MAX_ENTRIES = 1000;
const COUNT = `Send { "ids": [...], "hashes": [...] } with 1 to ${MAX_ENTRIES} different ids and hashes together.`;

const MAX_SIZES = 20;
const SIZES = `sizes has to be a list of 1 to ${MAX_SIZES} whole numbers of px from ${RENDITION_SIZES.min} to ${RENDITION_SIZES.max}.`;

/** Longest `default`, in characters: every URL of the answer may repeat it. */
const MAX_DEFAULT = 512;
const DEFAULT = `default has to be one of ${FALLBACK_NAMES.join(', ')}, or a URL of at most ${MAX_DEFAULT} characters that AVATAR_DEFAULT_URLS allows.`;

/** The most characters of an id that an error repeats. */
const MAX_SHOWN = 80;

const NAMES = 'names has to be an object of texts by id. Leave out an id that has no name.';

const isText = (value: unknown) => typeof value === 'string';

/** The avatars that a lookup asks about: 1 to 1000 ids and hashes together. */
@NoOtherFields()
export class LookupBody {
  static readonly code = 'invalid_lookup';
  /**
   * Enough for the most and longest ids, with every character escaped, or for as many UUIDs with names of
   * 400 bytes.
   */
  static readonly maxBytes = 512 * 1024;

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'string', example: ID_SCHEMA.example },
    description:
      'Ids of avatars. A repeated one counts once. What is none gets an `error` in its place in the answer.',
  })
  @Must(isText, { each: true, message: 'Every one of ids has to be a text.' })
  @Must((ids, { hashes }: LookupBody) => !isTooMany(ids, hashes) || distinctOf(hashes) > distinctOf(ids), {
    message: COUNT,
  })
  @Must((ids, { hashes }: LookupBody) => lengthOf(ids) > 0 || !isEmpty(hashes), { message: COUNT })
  @IsArray({ message: COUNT })
  @ValidateIf(({ ids, hashes }: LookupBody) => ids !== undefined || isEmpty(hashes))
  ids?: string[];

  @OptionalField({
    type: 'array',
    items: { type: 'string', example: HASH_SCHEMA.example },
    description:
      'MD5 or SHA-256 in hex of e-mail addresses; with ALIAS_KEY their HMAC-SHA256. What is none gets an `error` in its place in the answer.',
  })
  @Must(isText, { each: true, message: 'Every one of hashes has to be a text.' })
  @Must((hashes, { ids }: LookupBody) => !isTooMany(ids, hashes) || distinctOf(hashes) <= distinctOf(ids), {
    message: COUNT,
  })
  @IsArray({ message: 'hashes has to be a list of MD5 or SHA-256 in hex.' })
  hashes?: string[];

  @OptionalField({
    type: 'array',
    items: SIZE_SCHEMA,
    minItems: 1,
    maxItems: MAX_SIZES,
    description: 'The edges in px to give URLs for. By default those that `/info` gives.',
  })
  @Must(isRenditionSize, { each: true, message: SIZES })
  @ArrayMinSize(1, { message: SIZES })
  @ArrayMaxSize(MAX_SIZES, { message: SIZES })
  @IsArray({ message: SIZES })
  sizes?: number[];

  @OptionalField({
    type: 'string',
    enum: RENDITION_FORMATS,
    description: "The format of the pictures that the URLs name. By default each master's own.",
  })
  @IsIn(RENDITION_FORMATS, { message: `format has to be one of ${RENDITION_FORMATS.join(', ')}.` })
  format?: RenditionFormat;

  @OptionalField({
    type: 'string',
    maxLength: MAX_DEFAULT,
    description: `What the URLs show if there is no picture: ${FALLBACK_NAMES.join(', ')}, or a URL that AVATAR_DEFAULT_URLS allows. 404: nothing. By default the initials of the name, without a name AVATAR_DEFAULT, and mp if that is 404.`,
  })
  @Must((text) => typeof text === 'string' && text.length <= MAX_DEFAULT, { message: DEFAULT })
  default?: string;

  @OptionalField({
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { alice: 'Alice Jones' },
    description: `Names of people, for initials, by id. Each id in \`names\` has to be in \`ids\`. One with a name of more than ${NAME_CHARACTERS} characters gets an \`error\` in its place in the answer.`,
  })
  @Must((names) => isObject(names) && Object.values(names).every(isText), { message: NAMES })
  names?: Record<string, string>;
}

/** The fallback that a lookup asks for. @throws CodedError `invalid_lookup` */
export function fallbackIn({ default: text }: LookupBody, fallbacks: Fallbacks): Fallback | undefined {
  if (text === undefined) return undefined;
  const fallback = fallbacks.named(text);
  if (fallback === undefined) throw new CodedError(LookupBody.code, DEFAULT, { parameter: 'default' });
  return fallback;
}

/** The names that a lookup gives, by id. @throws CodedError `invalid_lookup` an id is not asked about */
export function namesIn({ names = {} }: LookupBody, ids: ReadonlySet<string>): Map<string, string> {
  const given = new Map(Object.entries(names));
  const stray = [...given.keys()].find((id) => !ids.has(id));
  if (stray === undefined) return given;
  const detail = `names has ${JSON.stringify(stray.slice(0, MAX_SHOWN))}, which is not in ids. Add it there, or remove its name.`;
  throw new CodedError(LookupBody.code, detail, { parameter: 'names' });
}

const ENTRY_CODES = [
  'insufficient_scope',
  'invalid_default',
  'invalid_hash',
  'invalid_id',
  'manifest_unreadable',
] as const;

class LookupProblem {
  @ApiProperty({
    type: 'string',
    enum: ENTRY_CODES,
    description:
      'As in a problem. insufficient_scope: the key is for other ids. invalid_default: the name is not one that `name=` takes.',
  })
  code!: ErrorCode;

  @ApiProperty({ description: 'What is wrong and what to do, for people. The words may change.' })
  detail!: string;
}

/** Why a lookup can tell nothing of one of those that were asked about. */
export class LookupFault {
  @ApiProperty({ type: LookupProblem })
  error!: LookupProblem;
}

/** What a lookup tells of an avatar. */
export class LookupEntry {
  @ApiProperty({ ...ID_SCHEMA, nullable: true, description: 'null: the hash stands for no avatar.' })
  id!: string | null;

  @ApiProperty({ ...VERSION_SCHEMA, nullable: true })
  version!: string | null;

  @ApiProperty({ description: 'true: there is no picture.' })
  default!: boolean;

  @ApiProperty({
    ...URLS_SCHEMA,
    description:
      'By size in px, and `master` if the lookup has no `sizes`: immutable URLs, or URLs of the default if there is no picture. All of them show something, unless `default` is 404.',
  })
  urls!: Record<string, string>;

  @ApiProperty({ ...THUMBHASH_SCHEMA, nullable: true })
  thumbhash!: string | null;

  @ApiProperty({
    ...COLOR_SCHEMA,
    nullable: true,
    description: 'The dominant color of the picture, or the background of the drawing on a light page.',
  })
  color!: string | null;

  @ApiProperty({ type: 'string', nullable: true })
  alt!: string | null;

  @ApiProperty()
  animated!: boolean;
}

const ENTRIES = {
  type: 'object' as const,
  additionalProperties: {
    oneOf: [{ $ref: getSchemaPath(LookupEntry) }, { $ref: getSchemaPath(LookupFault) }],
  },
};

@ApiExtraModels(LookupEntry, LookupFault)
export class LookupAnswer {
  @ApiProperty({ ...ENTRIES, description: 'By id, as it was sent.' })
  avatars!: Record<string, LookupEntry | LookupFault>;

  @ApiProperty({ ...ENTRIES, description: 'By hash in lower case.' })
  hashes!: Record<string, LookupEntry | LookupFault>;
}

function isTooMany(ids: unknown, hashes: unknown): boolean {
  return distinctOf(ids) + distinctOf(hashes) > MAX_ENTRIES;
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}
