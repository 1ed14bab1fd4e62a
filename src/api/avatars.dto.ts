import { isDeepStrictEqual } from 'node:util';
import type { PipeTransform } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { parseBefore } from '../avatars/parse-before.js';
import { CodedError } from '../errors.js';
import {
  type Crop,
  REDUCTIONS,
  RENDITION_FORMATS,
  RENDITION_SIZES,
  type Reduction,
  type RenditionFormat,
} from '../model/formats.js';
import { assertId, isVersion } from '../model/keys.js';
import { ALT_CHARACTERS, isAlt } from '../model/manifest-format.js';
import type { Instant, Version } from '../model/manifest.js';
import { PLACEHOLDER_KINDS } from '../model/placeholder-kinds.js';
import { isRenditionSize } from '../model/rendition.js';

/** @throws CodedError `invalid_id` */
export const ValidId: PipeTransform<string, string> = {
  transform(id) {
    assertId(id);
    return id;
  },
};

/** What a reader wants to see. */
export class PictureQuery {
  @ApiPropertyOptional({
    type: 'integer',
    minimum: RENDITION_SIZES.min,
    maximum: RENDITION_SIZES.max,
    description: 'Edge in px; goes up to the next size of AVATAR_SIZES, never above the master.',
  })
  size?: number;

  @ApiPropertyOptional({
    enum: ['auto', ...RENDITION_FORMATS],
    description: 'auto, the default: the best that the header Accept takes.',
  })
  format?: RenditionFormat | undefined;

  @ApiPropertyOptional({
    enum: ['auto', 'true', 'false'],
    description:
      'false: the first frame of an animation; auto, the default: false where the client asks for reduced motion or data.',
  })
  animated?: boolean | undefined;
}

/** Of which picture a URL is wanted. Nothing is negotiated: whoever opens it is not the one who asks. */
export class UrlQuery extends PickType(PictureQuery, ['size']) {
  @ApiPropertyOptional({
    enum: ['auto', ...RENDITION_FORMATS],
    description: "auto, the default: the master's.",
  })
  format?: RenditionFormat | undefined;

  @ApiPropertyOptional({
    enum: ['auto', 'true', 'false'],
    description: 'false: the first frame of an animation.',
  })
  animated?: boolean | undefined;
}

/** What to show where there is no picture. */
export class DefaultQuery {
  @ApiPropertyOptional({
    enum: ['404', 'mm', ...PLACEHOLDER_KINDS],
    description: 'Without it, AVATAR_DEFAULT decides; 404 shows nothing.',
  })
  default?: string;

  @ApiPropertyOptional({ maxLength: 256, description: 'Of a person, for the initials.' })
  name?: string;

  @ApiPropertyOptional({ maxLength: 32, description: 'Initials to show instead of those of the name.' })
  initials?: string;

  @ApiPropertyOptional({ example: '35a788', description: 'The background, instead of one by the id.' })
  color?: string;

  @ApiPropertyOptional({ enum: ['light', 'dark'] })
  scheme?: 'light' | 'dark';
}

/** Which part of an upload to keep, and what it shows; also fields of the form. */
export class UploadQuery {
  @ApiPropertyOptional({
    type: String,
    example: '0,0,400,400',
    description: 'x,y,width,height in px of the upright picture',
  })
  crop: Crop | undefined;

  @ApiPropertyOptional({
    type: String,
    maxLength: ALT_CHARACTERS,
    description: 'What the picture shows, in words for those who do not see it.',
  })
  alt: string | undefined;
}

/** By hand, since it is on the way of every picture. @throws CodedError `invalid_size`, `invalid_format`, `invalid_animated` */
export const PicturePipe: PipeTransform<Record<string, unknown>, PictureQuery> = {
  transform: ({ size, format, animated }) => ({
    ...(size !== undefined && { size: parseSize(size) }),
    ...(format !== undefined && { format: parseFormat(format) }),
    ...(animated !== undefined && { animated: parseAnimated(animated) }),
  }),
};

/** @throws CodedError `invalid_default` */
export const DefaultPipe: PipeTransform<Record<string, unknown>, DefaultQuery> = {
  transform: ({ default: kind, name, initials, color, scheme }) => ({
    ...(kind !== undefined && { default: checked('default', kind, DEFAULT) }),
    ...(name !== undefined && { name: checked('name', name, /^.{0,256}$/su) }),
    ...(initials !== undefined && { initials: checked('initials', initials, /^.{0,32}$/su) }),
    ...(color !== undefined && { color: checked('color', color, /^#?[0-9a-f]{6}$/i).replace(/^#?/, '#') }),
    ...(scheme !== undefined && {
      scheme: checked('scheme', scheme, /^(?:light|dark)$/) as 'light' | 'dark',
    }),
  }),
};

const DEFAULT = new RegExp(`^(?:404|mm|${PLACEHOLDER_KINDS.join('|')})$`);

function checked(parameter: string, text: unknown, pattern: RegExp): string {
  if (typeof text === 'string' && pattern.test(text)) return text;
  throw new CodedError('invalid_default', `The parameter ${parameter} is not as the API describes it.`, {
    parameter,
  });
}

/** @throws CodedError `invalid_crop`, `invalid_alt` */
export const UploadPipe: PipeTransform<Record<string, unknown>, UploadQuery> = {
  transform: ({ crop, alt }) => ({ crop: parseCrop(crop), alt: parseAlt(alt) }),
};

/** What a deletion is to delete. */
export interface EraseQuery {
  erase: boolean;
  /** Only with `erase`; undefined: all that is there. */
  before: Instant | undefined;
}

/** @throws CodedError `invalid_erase`, `invalid_before` */
export const ErasePipe: PipeTransform<Record<string, unknown>, EraseQuery> = {
  transform: ({ erase = 'false', before }) => {
    if (erase !== 'true' && erase !== 'false') {
      throw new CodedError('invalid_erase', 'erase is true or false.', { parameter: 'erase' });
    }
    if (before === undefined) return { erase: erase === 'true', before };
    if (erase === 'true') return { erase: true, before: parseBefore(before) };
    throw new CodedError('invalid_before', 'before needs erase=true.', { parameter: 'before' });
  },
};

/** The version that a body `{ "version": "..." }` names. @throws CodedError `invalid_version` */
export function versionOf(body: unknown): string {
  const { version } = (body ?? {}) as { version?: unknown };
  if (typeof version !== 'string' || !isVersion(version)) {
    throw new CodedError('invalid_version', 'Send { "version": "..." } with a version of the history.', {
      parameter: 'version',
    });
  }
  return version;
}

function parseSize(text: unknown): number {
  const size = typeof text === 'string' && /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (!isRenditionSize(size)) {
    const { min, max } = RENDITION_SIZES;
    throw new CodedError('invalid_size', `A size is a whole number of px from ${min} to ${max}.`, {
      parameter: 'size',
    });
  }
  return size;
}

function parseFormat(text: unknown): RenditionFormat | undefined {
  const format = RENDITION_FORMATS.find((known) => known === text);
  if (format === undefined && text !== 'auto') {
    throw new CodedError('invalid_format', `A format is auto or one of ${RENDITION_FORMATS.join(', ')}.`, {
      parameter: 'format',
    });
  }
  return format;
}

function parseAnimated(text: unknown): boolean | undefined {
  if (text === 'auto') return undefined;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new CodedError('invalid_animated', 'animated is true, false or auto.', { parameter: 'animated' });
}

/**
 * The crop that an upload asks for in its query, its form, or both alike.
 * @throws CodedError `invalid_crop`
 */
export function oneCrop(inQuery: Crop | undefined, field: unknown): Crop | undefined {
  const inForm = parseCrop(field);
  if (inQuery && inForm && !isDeepStrictEqual(inQuery, inForm)) {
    throw new CodedError('invalid_crop', 'The query and the form ask for different crops.', {
      parameter: 'crop',
    });
  }
  return inQuery ?? inForm;
}

/**
 * The alternative text that an upload brings in its query, its form, or both alike.
 * @throws CodedError `invalid_alt`
 */
export function oneAlt(inQuery: string | undefined, field: unknown): string | undefined {
  const inForm = parseAlt(field);
  if (inQuery === undefined || inForm === undefined || inQuery === inForm) return inQuery ?? inForm;
  throw new CodedError('invalid_alt', 'The query and the form have different alt texts.', {
    parameter: 'alt',
  });
}

/** @returns undefined where it is empty @throws CodedError `invalid_alt` */
function parseAlt(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  const alt = typeof text === 'string' ? text.trim() : undefined;
  if (!isAlt(alt)) {
    throw new CodedError(
      'invalid_alt',
      `An alt text has at most ${ALT_CHARACTERS} characters, none of them a control character.`,
      { parameter: 'alt' },
    );
  }
  return alt === '' ? undefined : alt;
}

/** @throws CodedError `invalid_crop` unless it is `x,y,width,height` in whole px */
function parseCrop(text: unknown): Crop | undefined {
  if (text === undefined) return undefined;
  const [, x, y, width, height] =
    /^(\d{1,5}),(\d{1,5}),([1-9]\d{0,4}),([1-9]\d{0,4})$/.exec(typeof text === 'string' ? text : '') ?? [];
  if (height === undefined) {
    throw new CodedError('invalid_crop', 'A crop is x,y,width,height in whole px of the upright picture.', {
      parameter: 'crop',
    });
  }
  return { x: Number(x), y: Number(y), width: Number(width), height: Number(height) };
}

export class ExistsAnswer {
  @ApiProperty()
  exists!: boolean;
}

export class UrlAnswer {
  @ApiProperty()
  url!: string;

  @ApiProperty({ format: 'uuid' })
  version!: string;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'When a presigned URL ends.',
  })
  expiresAt!: string | null;
}

/** The facts of a version. */
export class VersionAnswer {
  @ApiProperty()
  id: string;

  @ApiProperty({ format: 'uuid' })
  version: string;

  @ApiProperty({ description: 'Of the master, in px.' })
  width: number;

  @ApiProperty({ description: 'Of the master, in px.' })
  height: number;

  @ApiProperty({ description: 'Of the master.' })
  format: string;

  @ApiProperty({ description: 'Of the master.' })
  bytes: number;

  @ApiProperty()
  animated: boolean;

  @ApiPropertyOptional({
    enum: REDUCTIONS,
    description:
      'What gave way because the master would have had more bytes than AVATAR_MASTER_MAX_BYTES. quality: it was encoded at a lower quality; still: only the first frame of an animation was kept. Absent if nothing did.',
  })
  reduced?: Reduction;

  @ApiProperty({ description: 'ThumbHash in Base64: a blurred picture to show while the real one loads.' })
  thumbhash: string;

  @ApiProperty({ example: '#35a788', description: 'The dominant colour.' })
  color: string;

  @ApiPropertyOptional({ description: 'What the picture shows, as its uploader put it.' })
  alt?: string;

  @ApiProperty({ format: 'date-time' })
  uploadedAt: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Immutable URLs by size in px, and that of the master.',
  })
  urls: Record<string, string>;

  @ApiPropertyOptional({ description: 'true: the bucket is away, and the version waits on this replica.' })
  pending?: true;

  constructor(id: string, version: Version, urls: Record<string, string>, pending: boolean) {
    this.id = id;
    this.version = version.version;
    this.width = version.width;
    this.height = version.height;
    this.format = version.master;
    this.bytes = version.bytes;
    this.animated = version.animated;
    if (version.reduced !== undefined) this.reduced = version.reduced;
    this.thumbhash = version.thumbhash;
    this.color = version.color;
    if (version.alt !== undefined) this.alt = version.alt;
    this.uploadedAt = version.uploadedAt;
    this.urls = urls;
    if (pending) this.pending = true;
  }
}

export class HistoryAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  current!: string | null;

  @ApiProperty({ type: [VersionAnswer], description: 'Newest first.' })
  versions!: VersionAnswer[];

  @ApiPropertyOptional({ format: 'date-time' })
  erasedAt?: string;
}

/** Which version to make current. */
export class RestoreBody {
  @ApiProperty({ format: 'uuid' })
  version!: string;
}

/** What an erasure removed. */
export class ReceiptAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty({ format: 'date-time', description: 'Nothing that was uploaded up to then comes back.' })
  erasedAt!: string;

  @ApiProperty({
    description:
      'How many objects were deleted: masters and renditions. While `pending` is true, those that waited on this replica.',
  })
  objects!: number;

  @ApiProperty({ description: 'How many bytes they had.' })
  bytes!: number;

  @ApiProperty({
    description: 'How many hashes of e-mail addresses stand for it no more. While `pending` is true, 0.',
  })
  aliases!: number;

  @ApiProperty({ description: 'true: the bucket is away, and will be cleared as soon as it is back.' })
  pending!: boolean;
}

export class ProblemAnswer {
  @ApiProperty({ example: 'about:blank' })
  type!: string;

  @ApiProperty({ example: 'Unprocessable Entity' })
  title!: string;

  @ApiProperty({ example: 422 })
  status!: number;

  @ApiProperty({ example: 'unreadable_image', description: 'Stable: what programs should look at.' })
  code!: string;

  @ApiProperty()
  detail!: string;

  @ApiPropertyOptional({ description: 'The parameter at fault.' })
  parameter?: string;

  @ApiProperty()
  requestId!: string;
}
