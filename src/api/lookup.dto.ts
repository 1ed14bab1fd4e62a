import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { CodedError } from '../errors.js';
import { RENDITION_FORMATS, RENDITION_SIZES, type RenditionFormat } from '../model/formats.js';
import { assertId } from '../model/keys.js';
import { isRenditionSize } from '../model/rendition.js';
import { hashOf, listOf } from './body-lists.js';

const CODE = 'invalid_lookup';

/** Ids and hashes together. */
const MAX_ENTRIES = 1000;
const MAX_SIZES = 20;

/** Enough for so many ids of 80 characters, all of them escaped. */
export const LOOKUP_MAX_BYTES = 512 * 1024;

/** Which avatars to tell about; together 1 to 1000 ids and hashes. */
export class LookupBody {
  @ApiPropertyOptional({ type: [String], maxItems: MAX_ENTRIES })
  ids?: string[];

  @ApiPropertyOptional({
    type: [String],
    maxItems: MAX_ENTRIES,
    description: 'MD5 or SHA-256 in hex of e-mail addresses.',
  })
  hashes?: string[];

  @ApiPropertyOptional({
    type: 'array',
    items: { type: 'integer', minimum: RENDITION_SIZES.min, maximum: RENDITION_SIZES.max },
    maxItems: MAX_SIZES,
    description: 'Edges in px to give URLs for; without it, those that /info gives.',
  })
  sizes?: number[];

  @ApiPropertyOptional({
    enum: RENDITION_FORMATS,
    description: 'Of the URLs; without it, that of the master.',
  })
  format?: RenditionFormat;
}

/** What there is of an avatar. */
export class LookupEntry {
  @ApiProperty({ type: String, nullable: true, description: 'null: the hash stands for no avatar.' })
  id!: string | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  version!: string | null;

  @ApiProperty({ description: 'true: there is no picture.' })
  default!: boolean;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'By size in px: immutable URLs, or those of the default picture where there is none.',
  })
  urls!: Record<string, string>;

  @ApiProperty({ type: String, nullable: true })
  thumbhash!: string | null;

  @ApiProperty({ type: String, nullable: true })
  color!: string | null;

  @ApiProperty({ type: String, nullable: true })
  alt!: string | null;

  @ApiProperty()
  animated!: boolean;
}

/** What a body asks for. */
export interface LookupWish {
  ids: ReadonlySet<string>;
  hashes: ReadonlySet<string>;
  sizes: readonly number[] | undefined;
  format: RenditionFormat | undefined;
}

/** @throws CodedError `invalid_lookup` */
export function lookupOf(body: unknown): LookupWish {
  const { ids, hashes, sizes, format } = (body ?? {}) as Record<string, unknown>;
  const [named, hashed] = [listOf(ids, 'ids', CODE), listOf(hashes, 'hashes', CODE)];
  const count = named.length + hashed.length;
  if (count < 1 || count > MAX_ENTRIES) {
    const parameter = hashed.length > named.length ? 'hashes' : 'ids';
    throw invalid(parameter, `Send { "ids": [...], "hashes": [...] } with 1 to ${MAX_ENTRIES} in all.`);
  }
  return {
    ids: new Set(named.map(checkedId)),
    hashes: new Set(hashed.map((hash) => hashOf(hash, CODE))),
    sizes: sizes === undefined ? undefined : checkedSizes(listOf(sizes, 'sizes', CODE)),
    format: format === undefined ? undefined : checkedFormat(format),
  };
}

function checkedId(id: unknown): string {
  if (typeof id !== 'string') throw invalid('ids', 'One of the ids is no text.');
  try {
    assertId(id);
    return id;
  } catch (error) {
    throw error instanceof CodedError ? invalid('ids', error.message) : error;
  }
}

function checkedSizes(sizes: readonly unknown[]): readonly number[] {
  if (sizes.length < 1 || sizes.length > MAX_SIZES || !sizes.every(isRenditionSize)) {
    const { min, max } = RENDITION_SIZES;
    throw invalid('sizes', `Sizes are 1 to ${MAX_SIZES} whole numbers of px from ${min} to ${max}.`);
  }
  return sizes;
}

function checkedFormat(format: unknown): RenditionFormat {
  const known = RENDITION_FORMATS.find((one) => one === format);
  if (known === undefined) throw invalid('format', `A format is one of ${RENDITION_FORMATS.join(', ')}.`);
  return known;
}

function invalid(parameter: string, detail: string): CodedError {
  return new CodedError(CODE, detail, { parameter });
}
