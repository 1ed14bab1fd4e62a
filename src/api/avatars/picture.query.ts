import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiPropertyOptional, PickType } from '@nestjs/swagger';
import { RENDITION_FORMATS, RENDITION_SIZES, type RenditionFormat } from '../../model/formats.js';
import { parseRenditionSize } from '../../model/rendition.js';
import { SIZE_SCHEMA } from '../openapi/schemas.js';
import { invalidParameter } from './invalid-parameter.js';

const FORMAT_SCHEMA = { type: 'string' as const, enum: ['auto', ...RENDITION_FORMATS], default: 'auto' };
const ANIMATED_SCHEMA = { type: 'string' as const, enum: ['auto', 'true', 'false'], default: 'auto' };

/** The picture that a reader wants to see. */
export class PictureQuery {
  @ApiPropertyOptional({
    ...SIZE_SCHEMA,
    description:
      "The edge in px. You get the next larger size of AVATAR_SIZES, but never more than the master's. By default the size of the master.",
  })
  size?: number;

  @ApiPropertyOptional({
    ...FORMAT_SCHEMA,
    description: 'auto: the best format that the header Accept allows.',
  })
  format?: RenditionFormat | undefined;

  @ApiPropertyOptional({
    ...ANIMATED_SCHEMA,
    description:
      'false: only the first frame of an animation. auto: false if the client asks for reduced motion or less data.',
  })
  animated?: boolean | undefined;
}

/** The picture that a URL is wanted for. No header counts: somebody else opens the URL. */
export class UrlQuery extends PickType(PictureQuery, ['size']) {
  @ApiPropertyOptional({
    ...FORMAT_SCHEMA,
    description: 'auto: the format of the master.',
  })
  format?: RenditionFormat | undefined;

  @ApiPropertyOptional({
    ...ANIMATED_SCHEMA,
    description: 'false: only the first frame of an animation. auto: the same as true.',
  })
  animated?: boolean | undefined;
}

/**
 * Written by hand, since every picture passes through it.
 * @throws CodedError `invalid_size`, `invalid_format`, `invalid_animated`
 */
@Injectable()
export class PicturePipe implements PipeTransform<Record<string, unknown>, PictureQuery> {
  transform({ size, format, animated }: Record<string, unknown>): PictureQuery {
    return {
      ...(size !== undefined && { size: parseSize(size) }),
      ...(format !== undefined && { format: parseFormat(format) }),
      ...(animated !== undefined && { animated: parseAnimated(animated) }),
    };
  }
}

function parseSize(text: unknown): number {
  const size = parseRenditionSize(text);
  if (size !== undefined) return size;
  const { min, max } = RENDITION_SIZES;
  throw invalidParameter('size', `size has to be a whole number of px from ${min} to ${max}.`);
}

function parseFormat(text: unknown): RenditionFormat | undefined {
  const format = RENDITION_FORMATS.find((known) => known === text);
  if (format !== undefined || text === 'auto') return format;
  throw invalidParameter('format', `format has to be auto or one of ${RENDITION_FORMATS.join(', ')}.`);
}

function parseAnimated(text: unknown): boolean | undefined {
  if (text === 'auto') return undefined;
  if (text === 'true' || text === 'false') return text === 'true';
  throw invalidParameter('animated', 'animated has to be true, false or auto.');
}
