import type { Dimensions } from './dimensions.js';
import type { Parser } from './parse.js';

/** The signature and the logical screen descriptor. */
const HEADER_BYTES = 13;
const TRAILER = 0x3b;
const EXTENSION = 0x21;
/** The introducer and the label. */
const EXTENSION_BYTES = 2;
const IMAGE = 0x2c;
const IMAGE_BYTES = 10;
/** The data of a frame begin with the size of its codes. */
const CODE_SIZE_BYTES = 1;

/**
 * Some encoders write the size of the whole screen. libnsgif ignores these sizes and takes that of the first
 * frame.
 */
const SCREENS = new Set(['640x480', '640x512', '800x600', '1024x768', '1280x1024', '1600x1200']);
const MAX_SCREEN_EDGE = 2048;

const NOTHING = Buffer.alloc(0);

export interface GifDimensions extends Dimensions {
  /** The length of the GIF in bytes, its trailer included. The file may go on after that. */
  bytes: number;
}

/**
 * Walks the blocks of a GIF up to its trailer. Bytes after the trailer do not matter.
 * https://www.w3.org/Graphics/GIF/spec-gif89a.txt, sections 17 to 27
 * @returns undefined if the file breaks off before the trailer or has no frame
 */
export function* gifDimensions(): Parser<GifDimensions | undefined> {
  const header = yield { position: 0, length: HEADER_BYTES };
  if (!header) return undefined;
  let [width, height] = [header.readUInt16LE(6), header.readUInt16LE(8)];
  if (SCREENS.has(`${width}x${height}`) || Math.max(width, height) > MAX_SCREEN_EDGE || !width || !height) {
    [width, height] = [1, 1];
  }
  let frames = 0;
  let position = HEADER_BYTES + colorTableBytes(header.readUInt8(10));
  // Section 15: each sub-block begins with its length, and an empty one is the last.
  let inSubBlocks = false;
  // A file of one-byte blocks would take ten times as long if each asked for its byte.
  let [start, window] = [0, header];
  for (;;) {
    if (position - start >= window.length) {
      [start, window] = [position, (yield { position, length: 1 }) ?? NOTHING];
    }
    const byte = window[position - start];
    if (byte === undefined) return undefined;
    if (inSubBlocks) {
      inSubBlocks = byte > 0;
      position += 1 + byte;
    } else if (byte === EXTENSION) {
      inSubBlocks = true;
      position += EXTENSION_BYTES;
    } else if (byte === IMAGE) {
      const image = yield { position, length: IMAGE_BYTES };
      if (!image) return undefined;
      // As in libnsgif: only the first frame can make the picture larger than the screen.
      if (frames++ === 0) {
        width = Math.max(width, image.readUInt16LE(1) + image.readUInt16LE(5));
        height = Math.max(height, image.readUInt16LE(3) + image.readUInt16LE(7));
      }
      inSubBlocks = true;
      position += IMAGE_BYTES + colorTableBytes(image.readUInt8(9)) + CODE_SIZE_BYTES;
    } else {
      return byte === TRAILER && frames > 0 ? { width, height, frames, bytes: position + 1 } : undefined;
    }
  }
}

/** @param packed the field that says whether there is a color table, and of how many colors */
function colorTableBytes(packed: number): number {
  return packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0;
}
