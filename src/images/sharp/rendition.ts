import type { Sharp } from 'sharp';
import { MOVING_FORMATS, type RenditionFormat } from '../../model/formats.js';
import { parseBytes } from '../containers/parse.js';
import { webpDimensions } from '../containers/webp.js';
import type { Rendering } from '../image-pipeline.js';
import { inOwnMemory } from '../own-memory.js';

/**
 * Animations of more px, all frames together, are encoded with less effort. The longest one that is accepted
 * (50 million px by default) then takes half of IMAGE_TIMEOUT_MS on one core: as GIF 9 s instead of 26 s, as
 * WebP 4 s instead of 6 s. docs/images.md has the measurements.
 */
const LONG_ANIMATION = 8_000_000;
const VERY_LONG_ANIMATION = 20_000_000;

/** Animations of more px, all frames together, take a second or more as GIF. */
const COSTLY_ANIMATION = 2_000_000;

/** @param pixels px of all frames of an animation together; 0 for a still */
type Encode = (picture: Sharp, pixels: number) => Sharp;

const ENCODERS: Record<RenditionFormat, Encode> = {
  jpeg: (picture) => picture.flatten({ background: '#ffffff' }).jpeg({ quality: 82 }),
  png: (picture) => picture.png(),
  webp: (picture, pixels) => picture.webp({ quality: 80, effort: pixels > LONG_ANIMATION ? 2 : 4 }),
  // Effort 4, the default, takes six times as long for a tenth fewer bytes.
  avif: (picture) => picture.avif({ quality: 55, effort: 2 }),
  gif: (picture, pixels) =>
    picture.gif({
      effort: 3,
      ...(pixels > LONG_ANIMATION && { dither: 0 }),
      ...(pixels > VERY_LONG_ANIMATION && { colours: 16 }),
    }),
};

/** The motion of a rendition, known before its turn. */
export interface Motion {
  moves: boolean;
  /** In px, all frames together; 0 if the master is a still. */
  pixels: number;
  /** Decoding or encoding it takes long. */
  costly: boolean;
}

export function motionOf(master: Buffer, { size, format, still = false, exact = false }: Rendering): Motion {
  const moves = MOVING_FORMATS.includes(format) && !still;
  const dimensions = moves ? parseBytes(master, webpDimensions) : undefined;
  const { frames = 0, width = size } = dimensions && dimensions.frames > 1 ? dimensions : {};
  const side = exact ? size : Math.min(size, width);
  const costly = frames * Math.max(width, side) ** 2 > COSTLY_ANIMATION;
  return { moves, pixels: frames * side ** 2, costly };
}

/** Encodes a rendition, which is kept for long. */
export async function encodeRendition(
  picture: Sharp,
  format: RenditionFormat,
  pixels: number,
): Promise<Buffer> {
  return inOwnMemory(await ENCODERS[format](picture, pixels).toBuffer());
}
