import { rgbaToThumbHash } from 'thumbhash';
import type { Master } from './image-pipeline.js';

/** What a page can show while the picture loads. */
export type Preview = Pick<Master, 'thumbhash' | 'color'>;

/** Raw pixels of a square in sRGB, with 8 bits for each channel. */
export interface Square {
  data: Buffer;
  /** Edge in px. */
  side: number;
  /** Grey or RGB, with alpha if there are two or four. */
  channels: number;
}

/** Cells along each edge of a preview. It never has fewer than a ThumbHash has waves: it would show waves. */
const CELLS = 32;

/**
 * At least so many pixels along each edge of a cell are looked at. All million of a master would hold up the
 * event loop.
 */
const SAMPLES = 4;

export function previewOf(square: Square): Preview {
  const rgba = shrunk(square);
  return {
    thumbhash: Buffer.from(rgbaToThumbHash(CELLS, CELLS, rgba)).toString('base64'),
    color: dominantColor(rgba),
  };
}

/** @returns the means of the cells, in RGBA; the nearest pixels of a square that has fewer than cells */
function shrunk(square: Square): Buffer {
  const { side } = square;
  const rgba = Buffer.alloc(CELLS * CELLS * 4);
  const starts = Array.from({ length: CELLS + 1 }, (_, cell) => Math.floor((cell * side) / CELLS));
  for (let row = 0; row < CELLS; row++) {
    for (let column = 0; column < CELLS; column++) {
      const mean = meanOf(square, starts[column] ?? 0, starts[row] ?? 0);
      rgba.set(mean, (row * CELLS + column) * 4);
    }
  }
  return rgba;
}

/** The mean of the cell that begins at a pixel. What is transparent has no color. */
function meanOf({ data, side, channels }: Square, left: number, top: number): number[] {
  const edge = Math.max(1, Math.floor(side / CELLS));
  // An odd step that runs on from cell to cell meets every phase of stripes and checks of 2, 4 or 8 px.
  const step = Math.floor(edge / (SAMPLES + 1)) | 1;
  const firstFrom = (start: number) => Math.ceil(start / step) * step;
  const [green, blue] = channels > 2 ? [1, 2] : [0, 0];
  const isOpaque = channels % 2 === 1;
  let [sumRed, sumGreen, sumBlue, sumAlpha, count] = [0, 0, 0, 0, 0];
  for (let y = firstFrom(top); y < top + edge; y += step) {
    for (let x = firstFrom(left); x < left + edge; x += step) {
      const at = (y * side + x) * channels;
      const alpha = isOpaque ? 255 : (data[at + channels - 1] ?? 0);
      sumRed += alpha * (data[at] ?? 0);
      sumGreen += alpha * (data[at + green] ?? 0);
      sumBlue += alpha * (data[at + blue] ?? 0);
      sumAlpha += alpha;
      count++;
    }
  }
  const visible = Math.max(1, sumAlpha);
  return [sumRed / visible, sumGreen / visible, sumBlue / visible, sumAlpha / count].map(Math.round);
}

/**
 * Divides the sRGB cube into 4096 cells and takes the mean of the fullest one. Pixels that are mostly
 * transparent do not count.
 */
function dominantColor(rgba: Buffer): string {
  const cells = new Map<number, { count: number; red: number; green: number; blue: number }>();
  let fullest = { count: 0, red: 255, green: 255, blue: 255 };
  for (let i = 0; i < rgba.length; i += 4) {
    const [red, green, blue] = [rgba.readUInt8(i), rgba.readUInt8(i + 1), rgba.readUInt8(i + 2)];
    if (rgba.readUInt8(i + 3) < 128) continue;
    const key = ((red >> 4) << 8) | ((green >> 4) << 4) | (blue >> 4);
    const cell = cells.get(key) ?? { count: 0, red: 0, green: 0, blue: 0 };
    cell.count++;
    cell.red += red;
    cell.green += green;
    cell.blue += blue;
    cells.set(key, cell);
    if (cell.count > fullest.count) fullest = cell;
  }
  const share = Math.max(1, fullest.count);
  const channels = [fullest.red, fullest.green, fullest.blue];
  return `#${channels
    .map((sum) =>
      Math.round(sum / share)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
