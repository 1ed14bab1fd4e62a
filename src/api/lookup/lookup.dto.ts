import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray, IsIn, ValidateIf } from 'class-validator';
import { RENDITION_FORMATS, RENDITION_SIZES, type RenditionFormat } from '../../model/formats.js';
import { isRenditionSize } from '../../model/rendition.js';
import {
  ANY_CASE_HASH_SCHEMA,
  COLOR_SCHEMA,
  ID_SCHEMA,
  SIZE_SCHEMA,
  THUMBHASH_SCHEMA,
  URLS_SCHEMA,
  VERSION_SCHEMA,
} from '../openapi/schemas.js';
import { EachIsHash, EachIsId, Must, OptionalField, lengthOf } from '../rules.js';

/** Ids and hashes together. */
const MAX_ENTRIES = 1000;
const COUNT = `Send { "ids": [...], "hashes": [...] } with 1 to ${MAX_ENTRIES} ids and hashes together.`;

const MAX_SIZES = 20;
const SIZES = `sizes has to be a list of 1 to ${MAX_SIZES} whole numbers of px from ${RENDITION_SIZES.min} to ${RENDITION_SIZES.max}.`;

/** The avatars that a lookup asks about: 1 to 1000 ids and hashes together. */
export class LookupBody {
  static readonly code = 'invalid_lookup';
  /** Enough for the most and longest ids, with every character escaped. */
  static readonly maxBytes = 512 * 1024;

  @ApiPropertyOptional({ type: 'array', items: ID_SCHEMA, maxItems: MAX_ENTRIES })
  @EachIsId()
  @Must((ids, { hashes }: LookupBody) => !isTooMany(ids, hashes) || lengthOf(hashes) > lengthOf(ids), {
    message: COUNT,
  })
  @Must((ids, { hashes }: LookupBody) => lengthOf(ids) > 0 || !isEmpty(hashes), { message: COUNT })
  @IsArray({ message: COUNT })
  @ValidateIf(({ ids, hashes }: LookupBody) => ids !== undefined || isEmpty(hashes))
  ids?: string[];

  @OptionalField({
    type: 'array',
    items: ANY_CASE_HASH_SCHEMA,
    maxItems: MAX_ENTRIES,
    description: 'MD5 or SHA-256 in hex of e-mail addresses; with ALIAS_KEY their HMAC-SHA256.',
  })
  @EachIsHash()
  @Must((hashes, { ids }: LookupBody) => !isTooMany(ids, hashes) || lengthOf(hashes) <= lengthOf(ids), {
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
    description: 'By size in px: immutable URLs, or URLs of the default picture if there is no other.',
  })
  urls!: Record<string, string>;

  @ApiProperty({ ...THUMBHASH_SCHEMA, nullable: true })
  thumbhash!: string | null;

  @ApiProperty({ ...COLOR_SCHEMA, nullable: true })
  color!: string | null;

  @ApiProperty({ type: 'string', nullable: true })
  alt!: string | null;

  @ApiProperty()
  animated!: boolean;
}

const ENTRIES = { type: 'object' as const, additionalProperties: { $ref: getSchemaPath(LookupEntry) } };

@ApiExtraModels(LookupEntry)
export class LookupAnswer {
  @ApiProperty({ ...ENTRIES, description: 'By id.' })
  avatars!: Record<string, LookupEntry>;

  @ApiProperty({ ...ENTRIES, description: 'By hash in lower case.' })
  hashes!: Record<string, LookupEntry>;
}

function isTooMany(ids: unknown, hashes: unknown): boolean {
  return lengthOf(ids) + lengthOf(hashes) > MAX_ENTRIES;
}

function isEmpty(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.length === 0);
}
