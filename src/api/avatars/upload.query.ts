import { isDeepStrictEqual } from 'node:util';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { type Crop, type Framing, ROTATIONS, type Rotation } from '../../model/formats.js';
import { TEXT_CHARACTERS, isShortText } from '../../model/manifest-format.js';
import { ALT_SCHEMA } from '../openapi/schemas.js';
import { invalidParameter } from './invalid-parameter.js';

const CROP = /^([0-9]{1,5}),([0-9]{1,5}),([1-9][0-9]{0,4}),([1-9][0-9]{0,4})$/;

/** `x,y,width,height` in px of the upright picture. */
export const CROP_SCHEMA = { type: 'string' as const, pattern: CROP.source, example: '0,0,400,400' };

/** As text, since it is a query parameter or a field of a form. */
export const ROTATE_SCHEMA = {
  type: 'string' as const,
  enum: ['0', ...ROTATIONS.map(String)],
  example: '90',
};

/** How to turn an upload, the part to keep, and what it shows. Fields of a form may say the same. */
export class UploadQuery {
  @ApiPropertyOptional({
    ...ROTATE_SCHEMA,
    description:
      'By how many degrees to turn the upright picture clockwise. An animation can only be kept as it is.',
  })
  rotate: Rotation | 0 | undefined;

  @ApiPropertyOptional({
    ...CROP_SCHEMA,
    description: 'The part of the turned picture to keep. It has to lie within the picture.',
  })
  crop: Crop | undefined;

  @ApiPropertyOptional({
    ...ALT_SCHEMA,
    description: 'What the picture shows, for people who cannot see it. White space around it is removed.',
  })
  alt: string | undefined;
}

/** @throws CodedError `invalid_rotate`, `invalid_crop`, `invalid_alt` */
@Injectable()
export class UploadPipe implements PipeTransform<Record<string, unknown>, UploadQuery> {
  transform({ rotate, crop, alt }: Record<string, unknown>): UploadQuery {
    return { rotate: parseRotate(rotate), crop: parseCrop(crop), alt: parseAlt(alt) };
  }
}

/**
 * What an upload asks for in its query, its form, or both alike.
 * @throws CodedError `invalid_rotate`, `invalid_crop`, `invalid_alt`
 */
export function withForm(
  query: UploadQuery,
  fields: Record<string, unknown>,
): Framing & { alt?: string | undefined } {
  const rotate = either('rotate', query.rotate, parseRotate(fields['rotate']), 'ask for different rotations');
  return {
    rotate: rotate === 0 ? undefined : rotate,
    crop: either('crop', query.crop, parseCrop(fields['crop']), 'ask for different crops'),
    alt: either('alt', query.alt, parseAlt(fields['alt']), 'have different alt texts'),
  };
}

function either<T>(
  parameter: 'alt' | 'crop' | 'rotate',
  inQuery: T | undefined,
  inForm: T | undefined,
  difference: string,
): T | undefined {
  if (inQuery === undefined || inForm === undefined || isDeepStrictEqual(inQuery, inForm)) {
    return inQuery ?? inForm;
  }
  throw invalidParameter(parameter, `The query and the form ${difference}. Send one of them.`);
}

/** @returns undefined if it is empty @throws CodedError `invalid_alt` */
function parseAlt(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  const alt = typeof text === 'string' ? text.trim() : undefined;
  if (isShortText(alt)) return alt === '' ? undefined : alt;
  throw invalidParameter(
    'alt',
    `alt has to be at most ${TEXT_CHARACTERS} characters without control characters.`,
  );
}

/** @throws CodedError `invalid_rotate` */
function parseRotate(text: unknown): Rotation | 0 | undefined {
  if (text === undefined) return undefined;
  const rotate = ([0, ...ROTATIONS] as const).find((degrees) => String(degrees) === text);
  if (rotate !== undefined) return rotate;
  throw invalidParameter('rotate', 'rotate has to be 0, 90, 180 or 270: degrees, clockwise.');
}

/** @throws CodedError `invalid_crop` unless it is `x,y,width,height` in whole px */
function parseCrop(text: unknown): Crop | undefined {
  if (text === undefined) return undefined;
  const [, x, y, width, height] = CROP.exec(typeof text === 'string' ? text : '') ?? [];
  if (height !== undefined) {
    return { x: Number(x), y: Number(y), width: Number(width), height: Number(height) };
  }
  throw invalidParameter(
    'crop',
    'crop has to be x,y,width,height in whole px of the upright picture, after rotate.',
  );
}
