import { Injectable, type PipeTransform, applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { FALLBACK_NAMES } from '../../delivery/fallbacks.js';
import { RENDITION_SIZES } from '../../model/formats.js';
import { ID } from '../../model/keys.js';
import { isRenditionSize } from '../../model/rendition.js';
import {
  COLOR_SCHEMA,
  ID_SCHEMA,
  SCHEMES,
  SCHEME_SCHEMA,
  SIZE_SCHEMA,
  THUMBHASH_SCHEMA,
  VERSION_SCHEMA,
} from '../openapi/schemas.js';
import { NAME_CHARACTERS, isName } from '../avatars/default.query.js';
import {
  EachIsId,
  Must,
  NoOtherFields,
  OptionalField,
  check,
  distinctOf,
  isObject,
  lengthOf,
} from '../rules.js';

/** Ids in a URL. It has to stay short enough for servers and proxies. */
const MAX_IN_QUERY = 200;
const MAX_IN_BODY = 1000;

/** In characters. Many servers and proxies refuse longer URLs. */
const MAX_QUERY = 8000;

const FORMATS = ['webp', 'json'] as const;

const NAMES = `A name is a text of at most ${NAME_CHARACTERS} characters.`;

/** What a sheet is to look like. */
class SheetLook {
  static readonly code = 'invalid_sheet';

  @OptionalField({
    ...SIZE_SCHEMA,
    default: 64,
    description:
      'The edge of a tile in px. You get the next larger size of AVATAR_SIZES, or the largest of them.',
  })
  @Must(isRenditionSize, {
    message: `size has to be a whole number of px from ${RENDITION_SIZES.min} to ${RENDITION_SIZES.max}.`,
  })
  size?: number;

  @OptionalField({
    type: 'string',
    enum: [...FALLBACK_NAMES],
    description:
      'What to draw for avatars without a picture. 404: nothing, the tile is transparent. By default the initials of those who have a name, and for the others AVATAR_DEFAULT decides.',
  })
  @IsIn(FALLBACK_NAMES, { message: `default has to be one of ${FALLBACK_NAMES.join(', ')}.` })
  default?: (typeof FALLBACK_NAMES)[number];

  @OptionalField(SCHEME_SCHEMA)
  @IsIn(SCHEMES, { message: 'scheme has to be light or dark.' })
  scheme?: (typeof SCHEMES)[number];

  @OptionalField({
    type: 'string',
    enum: FORMATS,
    default: 'webp',
    description: 'webp: the picture. json: its map, which says where each avatar is.',
  })
  @IsIn(FORMATS, { message: 'format has to be webp or json.' })
  format?: (typeof FORMATS)[number];
}

/** A sheet that a URL asks for. */
export class SheetQuery extends SheetLook {
  @ApiProperty({
    type: 'string',
    pattern: `^${idPattern()}(?:,${idPattern()})*$`,
    maxLength: MAX_QUERY,
    example: 'alice,bob',
    description: `1 to ${MAX_IN_QUERY} different ids with commas, together at most ${MAX_QUERY} characters. A repeated id counts once.`,
  })
  @AreIds(
    MAX_IN_QUERY,
    `ids has to be 1 to ${MAX_IN_QUERY} different ids with commas between them, together at most ${MAX_QUERY} characters. POST takes ${MAX_IN_BODY} ids.`,
  )
  ids!: string[];

  @OptionalField({
    type: 'array',
    items: { type: 'string', maxLength: NAME_CHARACTERS },
    example: ['Alice Jones', 'Bob Smith'],
    description: `Names of people, for initials: \`name=\` once for each id, in their order. An empty one is none. At most as many as ids, and with a URL that is not too long for servers and proxies.`,
  })
  @Must((names, { ids }: SheetQuery) => lengthOf(names) <= lengthOf(ids), {
    message: 'There are more names than ids. Send name= once for each id, in their order.',
  })
  @Must(isName, { each: true, message: NAMES })
  name?: string[];
}

/** A sheet that a body asks for. */
@NoOtherFields()
export class SheetBody extends SheetLook {
  /**
   * Enough for the most and longest ids, with every character escaped, or for as many UUIDs with names of
   * 400 bytes.
   */
  static readonly maxBytes = 512 * 1024;

  @ApiProperty({
    type: 'array',
    items: ID_SCHEMA,
    minItems: 1,
    description: `1 to ${MAX_IN_BODY} different ids. A repeated one counts once.`,
  })
  @AreIds(MAX_IN_BODY, `Send { "ids": [...] } with 1 to ${MAX_IN_BODY} different ids.`)
  ids!: string[];

  @OptionalField({
    type: 'object',
    additionalProperties: { type: 'string', maxLength: NAME_CHARACTERS },
    example: { alice: 'Alice Jones' },
    description: 'Names of people, for initials, by id. Each id in `names` has to be in `ids`.',
  })
  @Must((names, { ids }: SheetBody) => !isObject(names) || areAmong(ids, Object.keys(names)), {
    message: 'names has an id that is not in ids. Add it there, or remove its name.',
  })
  @Must((names) => isObject(names) && Object.values(names).every(isName), { message: NAMES })
  names?: Record<string, string>;
}

/** The names that a sheet has for initials, by id. */
export function namesIn(wish: SheetQuery | SheetBody): Map<string, string> {
  const named =
    wish instanceof SheetQuery
      ? wish.ids.map((id, i) => [id, wish.name?.[i] ?? ''] as const)
      : Object.entries(wish.names ?? {});
  return new Map(named.filter(([, name]) => name.trim() !== ''));
}

/** Reads the query of a sheet. @throws CodedError `invalid_sheet` */
@Injectable()
export class SheetPipe implements PipeTransform<Record<string, unknown>, SheetQuery> {
  transform({ ids, name, size, ...look }: Record<string, unknown>): SheetQuery {
    const names = name === undefined ? undefined : [name].flat();
    return check(SheetQuery, {
      ...look,
      // What is repeated is a list already, and refused.
      ids: typeof ids === 'string' && ids.length <= MAX_QUERY ? ids.split(',') : undefined,
      name: names,
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

function AreIds(max: number, message: string) {
  return applyDecorators(
    Must((ids) => lengthOf(ids) > 0 && distinctOf(ids) <= max, { message }),
    EachIsId(),
  );
}

/** The pattern of an id, within a longer one. */
function idPattern(): string {
  return ID.source.replace(/^\^|\$$/g, '');
}

function areAmong(list: unknown, ids: readonly string[]): boolean {
  const known = new Set(Array.isArray(list) ? list : []);
  return ids.every((id) => known.has(id));
}
