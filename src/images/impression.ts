import { rgbaToThumbHash } from 'thumbhash';

/** What stands in for a picture while it loads. */
export interface Impression {
  /** Base64. */
  thumbhash: string;
  /** `#rrggbb`. */
  color: string;
}

/** @param rgba pixels of a picture of at most 100 x 100 px (ThumbHash's limit), 4 bytes each */
export function impressionOf(rgba: Buffer, width: number, height: number): Impression {
  return {
    thumbhash: Buffer.from(rgbaToThumbHash(width, height, rgba)).toString('base64'),
    color: dominantColor(rgba),
  };
}

/** The mean of the fullest of 4096 cells of the sRGB cube; pixels that are mostly transparent do not count. */
function dominantColor(rgba: Buffer): string {
  const counts = new Uint32Array(4096);
  const sums = new Float64Array(4096 * 3);
  for (let i = 0; i < rgba.length; i += 4) {
    const [red = 0, green = 0, blue = 0, alpha = 0] = rgba.subarray(i, i + 4);
    if (alpha < 128) continue;
    const cell = ((red >> 4) << 8) | ((green >> 4) << 4) | (blue >> 4);
    counts[cell] = (counts[cell] ?? 0) + 1;
    [red, green, blue].forEach((value, channel) => {
      sums[cell * 3 + channel] = (sums[cell * 3 + channel] ?? 0) + value;
    });
  }
  const fullest = counts.indexOf(counts.reduce((a, b) => Math.max(a, b)));
  const count = counts[fullest] ?? 0;
  if (count === 0) return '#ffffff';
  const channels = [...sums.subarray(fullest * 3, fullest * 3 + 3)];
  return `#${channels
    .map((sum) =>
      Math.round(sum / count)
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`;
}
