import { isDeepStrictEqual } from 'node:util';
import type { PipeTransform } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { CodedError } from '../../errors.js';
import type { Crop } from '../../model/formats.js';
import { ALT_CHARACTERS, isAlt } from '../../model/manifest-format.js';
import { ALT_SCHEMA } from '../openapi/schemas.js';

const CROP = /^([0-9]{1,5}),([0-9]{1,5}),([1-9][0-9]{0,4}),([1-9][0-9]{0,4})$/;

/** `x,y,width,height` in px of the upright picture. */
export const CROP_SCHEMA = { type: 'string' as const, pattern: CROP.source, example: '0,0,400,400' };

/** The part of an uploaded picture to keep, and what it shows. Fields of a form may say the same. */
export class UploadQuery {
  @ApiPropertyOptional({
    ...CROP_SCHEMA,
    description: 'The part of the picture to keep. It has to lie within the picture.',
  })
  crop: Crop | undefined;

  @ApiPropertyOptional({
    ...ALT_SCHEMA,
    description: 'What the picture shows, for people who cannot see it. White space around it is removed.',
  })
  alt: string | undefined;
}

/** @throws CodedError `invalid_crop`, `invalid_alt` */
export const UploadPipe: PipeTransform<Record<string, unknown>, UploadQuery> = {
  transform: ({ crop, alt }) => ({ crop: parseCrop(crop), alt: parseAlt(alt) }),
};

/**
 * The crop that an upload asks for in its query, its form, or both alike.
 * @throws CodedError `invalid_crop`
 */
export function oneCrop(inQuery: Crop | undefined, field: unknown): Crop | undefined {
  const inForm = parseCrop(field);
  if (inQuery && inForm && !isDeepStrictEqual(inQuery, inForm)) {
    throw new CodedError(
      'invalid_crop',
      'The query and the form ask for different crops. Send one of them.',
      {
        parameter: 'crop',
      },
    );
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
  throw new CodedError('invalid_alt', 'The query and the form have different alt texts. Send one of them.', {
    parameter: 'alt',
  });
}

/** @returns undefined if it is empty @throws CodedError `invalid_alt` */
function parseAlt(text: unknown): string | undefined {
  if (text === undefined) return undefined;
  const alt = typeof text === 'string' ? text.trim() : undefined;
  if (!isAlt(alt)) {
    throw new CodedError(
      'invalid_alt',
      `alt has to be at most ${ALT_CHARACTERS} characters without control characters.`,
      { parameter: 'alt' },
    );
  }
  return alt === '' ? undefined : alt;
}

/** @throws CodedError `invalid_crop` unless it is `x,y,width,height` in whole px */
function parseCrop(text: unknown): Crop | undefined {
  if (text === undefined) return undefined;
  const [, x, y, width, height] = CROP.exec(typeof text === 'string' ? text : '') ?? [];
  if (height === undefined) {
    throw new CodedError(
      'invalid_crop',
      'crop has to be x,y,width,height in whole px of the upright picture.',
      {
        parameter: 'crop',
      },
    );
  }
  return { x: Number(x), y: Number(y), width: Number(width), height: Number(height) };
}
