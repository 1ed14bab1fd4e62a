import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min } from 'class-validator';
import { CodedError } from '../errors.js';
import { type Crop, RENDITION_FORMATS, type RenditionFormat } from '../images/image-pipeline.js';
import type { Version } from './manifest.js';

/** What a reader wants to see. */
export class PictureQuery {
  @ApiPropertyOptional({
    description: 'Edge in px; goes up to the next size of AVATAR_SIZES, never above the master.',
  })
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(16)
  @Max(1024)
  size?: number;

  @ApiPropertyOptional({ enum: RENDITION_FORMATS, description: "Left out: the master's own." })
  @IsOptional()
  @IsIn(RENDITION_FORMATS)
  format?: RenditionFormat;
}

/** Which part of an upload to keep; also a field of the form. */
export class UploadQuery {
  @ApiPropertyOptional({
    type: String,
    example: '0,0,400,400',
    description: 'x,y,width,height in px of the upright picture',
  })
  @IsOptional()
  @Transform(({ value }: { value: unknown }) => parseCrop(value))
  crop?: Crop;
}

/** @throws CodedError `invalid_crop` unless it is `x,y,width,height` in whole px */
export function parseCrop(text: unknown): Crop | undefined {
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

  @ApiProperty({ description: 'ThumbHash in Base64: a blurred picture to show while the real one loads.' })
  thumbhash: string;

  @ApiProperty({ example: '#35a788', description: 'The dominant colour.' })
  color: string;

  @ApiProperty({ format: 'date-time' })
  uploadedAt: string;

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'string' },
    description: 'Immutable URLs by size in px, and that of the master.',
  })
  urls: Record<string, string>;

  constructor(id: string, version: Version, urls: Record<string, string>) {
    this.id = id;
    this.version = version.version;
    this.width = version.width;
    this.height = version.height;
    this.format = version.master;
    this.bytes = version.bytes;
    this.animated = version.animated;
    this.thumbhash = version.thumbhash;
    this.color = version.color;
    this.uploadedAt = version.uploadedAt;
    this.urls = urls;
  }
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
