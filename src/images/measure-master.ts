import type { MasterFormat } from '../model/formats.js';
import { jpegEdge } from './containers/jpeg.js';
import { parseBytes } from './containers/parse.js';
import { webpDimensions } from './containers/webp.js';

/**
 * Reads from the header of a master what its manifest says of it. A master is square.
 * @returns its edge in px and whether it moves; undefined if it is damaged
 */
export function measureMaster(
  bytes: Buffer,
  format: MasterFormat,
): { width: number; animated: boolean } | undefined {
  if (format === 'webp') {
    const dimensions = parseBytes(bytes, webpDimensions);
    return dimensions && { width: dimensions.width, animated: dimensions.frames > 1 };
  }
  const width = parseBytes(bytes, jpegEdge);
  return width === undefined ? undefined : { width, animated: false };
}
