import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, ValidateIf } from 'class-validator';
import { FALLBACK_NAMES } from '../../delivery/fallbacks.js';
import { RENDITION_SIZES } from '../../model/formats.js';
import { ID, isId } from '../../model/keys.js';
import { isRenditionSize } from '../../model/rendition.js';
import { NOT_AN_ID } from '../id.pipe.js';
import { Must, checkBody, lengthOf } from '../json-body.js';
import {
  COLOR_SCHEMA,
  ID_SCHEMA,
  SIZE_SCHEMA,
  THUMBHASH_SCHEMA,
  VERSION_SCHEMA,
} from '../openapi/schemas.js';

/** Ids in a URL. It has to stay short enough for servers and proxies. */
const MAX_IN_QUERY = 200;
const MAX_IN_BODY = 1000;

/** In characters. Many servers and proxies refuse longer URLs. */
const MAX_QUERY = 8000;

const FORMATS = ['webp', 'json'] as const;
const SCHEMES = ['light', 'dark'] as const;

/** What a sheet is to look like. */
class SheetLook {
  static readonly code = 'invalid_sheet';

  @ApiPropertyOptional({
    ...SIZE_SCHEMA,
    default: 64,
    description:
      'The edge of a tile in px. You get the next larger size of AVATAR_SIZES, or the largest of them.',
  })
  @Must(isRenditionSize, {
    message: `size has to be a whole number of px from ${RENDITION_SIZES.min} to ${RENDITION_SIZES.max}.`,
  })
  @ValidateIf(({ size }: SheetLook) => size !== undefined)
  size?: number;

  @ApiPropertyOptional({
    type: 'string',
    enum: [...FALLBACK_NAMES],
    description:
      'What to draw for avatars without a picture. 404: nothing, the tile is transparent. By default AVATAR_DEFAULT decides.',
  })
  @IsIn(FALLBACK_NAMES, { message: `default has to be one of ${FALLBACK_NAMES.join(', ')}.` })
  @ValidateIf((body: SheetLook) => body.default !== undefined)
  default?: (typeof FALLBACK_NAMES)[number];

  @ApiPropertyOptional({
    type: 'string',
    enum: SCHEMES,
    description:
      'Colours for a light or a dark page. By default the header Sec-CH-Prefers-Color-Scheme decides.',
  })
  @IsIn(SCHEMES, { message: 'scheme has to be light or dark.' })
  @ValidateIf(({ scheme }: SheetLook) => scheme !== undefined)
  scheme?: (typeof SCHEMES)[number];

  @ApiPropertyOptional({
    type: 'string',
    enum: FORMATS,
    default: 'webp',
    description: 'webp: the picture. json: its map, which says where each avatar is.',
  })
  @IsIn(FORMATS, { message: 'format has to be webp or json.' })
  @ValidateIf(({ format }: SheetLook) => format !== undefined)
  format?: (typeof FORMATS)[number];
}

/** A sheet that a URL asks for. */
export class SheetQuery extends SheetLook {
  static readonly maxBytes = MAX_QUERY;

  @ApiProperty({
    type: 'string',
    pattern: `^${idPattern()}(?:,${idPattern()}){0,${MAX_IN_QUERY - 1}}$`,
    maxLength: MAX_QUERY,
    example: 'alice,bob',
    description: `1 to ${MAX_IN_QUERY} ids with commas, together at most ${MAX_QUERY} characters. A repeated id counts once.`,
  })
  @AreIds(
    MAX_IN_QUERY,
    `ids has to be 1 to ${MAX_IN_QUERY} ids with commas between them, together at most ${MAX_QUERY} characters. POST takes ${MAX_IN_BODY} ids.`,
  )
  ids!: string[];
}

/** A sheet that a body asks for. */
export class SheetBody extends SheetLook {
  /** Enough for the most and longest ids, with every character escaped. */
  static readonly maxBytes = 512 * 1024;

  @ApiProperty({
    type: 'array',
    items: ID_SCHEMA,
    minItems: 1,
    maxItems: MAX_IN_BODY,
    description: 'A repeated id counts once.',
  })
  @AreIds(MAX_IN_BODY, `Send { "ids": [...] } with 1 to ${MAX_IN_BODY} ids.`)
  ids!: string[];
}

/** Reads the query of a sheet. @throws CodedError `invalid_sheet` */
@Injectable()
export class SheetPipe implements PipeTransform<Record<string, unknown>, SheetQuery> {
  transform({ ids, size, ...look }: Record<string, unknown>): SheetQuery {
    return checkBody(SheetQuery, {
      ...look,
      // What is repeated is a list already, and refused.
      ids: typeof ids === 'string' && ids.length <= MAX_QUERY ? ids.split(',') : undefined,
      size: typeof size === 'string' && /^\d{1,4}$/.test(size) ? Number(size) : size,
    });
  }
}

/** An avatar on a sheet. */
export class SheetTile {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'The left edge of the tile in px.' })
  x!: number;

  @ApiProperty({ type: 'integer', minimum: 0, description: 'The upper edge of the tile in px.' })
  y!: number;

  @ApiProperty({ ...VERSION_SCHEMA, nullable: true })
  version!: string | null;

  @ApiProperty({
    type: 'boolean',
    nullable: true,
    description:
      'true: there is no picture. null: the storage cannot tell at the moment, and the tile shows the default.',
  })
  default!: boolean | null;

  @ApiProperty({ type: 'string', nullable: true })
  alt!: string | null;

  @ApiProperty({ ...COLOR_SCHEMA, nullable: true })
  color!: string | null;

  @ApiProperty({ ...THUMBHASH_SCHEMA, nullable: true })
  thumbhash!: string | null;

  @ApiProperty({ description: 'Whether the picture moves. On a sheet it does not.' })
  animated!: boolean;
}

const PIXELS = { type: 'integer' as const, minimum: 1 };

/** The map of a sheet. */
export class SheetMap {
  @ApiProperty({ ...PIXELS, description: 'The edge of a tile in px.' })
  size!: number;

  @ApiProperty(PIXELS)
  columns!: number;

  @ApiProperty(PIXELS)
  rows!: number;

  @ApiProperty({ ...PIXELS, description: 'The width of the sheet in px.' })
  width!: number;

  @ApiProperty({ ...PIXELS, description: 'The height of the sheet in px.' })
  height!: number;

  @ApiPropertyOptional({
    type: 'string',
    format: 'uri',
    description: 'The URL of the picture, if a GET asked.',
  })
  url?: string;

  @ApiProperty({ type: [SheetTile], description: 'In the order of the ids.' })
  tiles!: SheetTile[];
}

function AreIds(max: number, count: string): PropertyDecorator {
  const rules = [
    Must((ids) => lengthOf(ids) > 0 && lengthOf(ids) <= max, { message: count }),
    Must((id) => typeof id === 'string' && isId(id), { each: true, message: NOT_AN_ID }),
  ];
  return (target, property) => {
    for (const rule of rules) rule(target, property);
  };
}

/** The pattern of an id, within a longer one. */
function idPattern(): string {
  return ID.source.replace(/^\^|\$$/g, '');
}
