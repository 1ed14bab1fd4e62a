import type { Parser } from './parse.js';

/** How many segments of a JPEG are searched for its frame header. Cameras and editors write a few dozen. */
const MAX_SEGMENTS = 500;

/**
 * Reads the longer edge in px from the frame header of a JPEG: ITU-T T.81, B.2.2. libvips tells a JPEG that
 * is too large for it from a damaged one only by the text of the error, and that text may belong to another
 * picture.
 * @returns undefined if no frame header is found
 */
export function* jpegEdge(): Parser<number | undefined> {
  let position = 2;
  for (let segment = 0; segment < MAX_SEGMENTS; segment++) {
    const start = yield { position, length: 9 };
    if (start?.[0] !== 0xff) return undefined;
    const marker = start.readUInt8(1);
    if (isFrameHeader(marker)) return Math.max(start.readUInt16BE(5), start.readUInt16BE(7));
    // Any number of bytes 0xff may precede a marker.
    position += marker === 0xff ? 1 : 2 + start.readUInt16BE(2);
  }
  return undefined;
}

/** SOF0 to SOF15, which have three other markers among them: ITU-T T.81, table B.1. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
