import { rgbaToThumbHash } from 'thumbhash';
import type { Master } from './image-pipeline.js';

/** What a page can show while the picture loads. */
export type Preview = Pick<Master, 'thumbhash' | 'color'>;

/** @param rgba pixels of a picture of at most 100 x 100 px (ThumbHash's limit), 4 bytes each */
export function previewOf(rgba: Buffer, width: number, height: number): Preview {
  return {
    thumbhash: Buffer.from(rgbaToThumbHash(width, height, rgba)).toString('base64'),
    color: dominantColor(rgba),
  };
}

/** Divides the sRGB cube into 4096 cells and takes the mean of the fullest one. Pixels that are mostly transparent do not count. */
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
