import sharp, { type Sharp } from 'sharp';
import { type SheetLayout, positionOf } from '../../model/sheet.js';
import { TooSlow, UnreadableTiles } from '../image-pipeline.js';
import { withRenderingErrors } from './libvips-errors.js';
import { encodeRendition } from './rendition.js';

/** Count up whenever `encodeSheet` begins to make other bytes of the same tiles. */
const REVISION = 1;

/** Names what decides the bytes of a sheet besides its tiles. */
export const COMPOSER = `${REVISION}, libvips ${sharp.versions.vips}, libwebp ${sharp.versions.webp}`;

const CHANNELS = 4;

type Open = (source: Buffer, options?: { raw: { width: number; height: number; channels: 4 } }) => Sharp;

/**
 * Draws tiles into a grid and encodes it. They are decoded one after the other, since a turn is meant to keep
 * one core busy. Copying their rows here takes less memory than libvips' `arrayjoin` and `composite`, which
 * keep all tiles open at the same time, and tells which tiles are damaged.
 * @param deadline by the monotonic clock, in ms
 * @throws UnreadableTiles, TooSlow
 */
export async function encodeSheet(
  open: Open,
  tiles: readonly (Buffer | undefined)[],
  layout: SheetLayout,
  deadline: number,
): Promise<Buffer> {
  const { size, width, height } = layout;
  // Zeros are transparent.
  const canvas = Buffer.alloc(width * height * CHANNELS);
  const failures = new Map<number, unknown>();
  for (const [index, tile] of tiles.entries()) {
    if (!tile) continue;
    if (performance.now() > deadline) throw new TooSlow();
    try {
      const picture = open(tile).resize(size, size).ensureAlpha().raw();
      copyTile(await withRenderingErrors(() => picture.toBuffer()), canvas, layout, index);
    } catch (error) {
      if (error instanceof TooSlow) throw error;
      failures.set(index, error);
    }
  }
  if (failures.size > 0) throw new UnreadableTiles(failures);
  const sheet = open(canvas, { raw: { width, height, channels: CHANNELS } });
  return encodeRendition(sheet, 'webp', width * height);
}

function copyTile(pixels: Buffer, canvas: Buffer, layout: SheetLayout, index: number): void {
  const { size, width } = layout;
  const { x, y } = positionOf(layout, index);
  const rowBytes = size * CHANNELS;
  for (let row = 0; row < size; row++) {
    const start = ((y + row) * width + x) * CHANNELS;
    pixels.copy(canvas, start, row * rowBytes, (row + 1) * rowBytes);
  }
}
