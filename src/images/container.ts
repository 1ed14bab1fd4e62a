import type { SourceFormat } from '../model/formats.js';
import { type FileWindow, reading } from './file-window.js';

/** What a picture's container says about it. Nobody has looked into the frames. */
export interface Outline {
  /** In px, both, of one frame as libvips decodes it. */
  width: number;
  height: number;
  frames: number;
}

const OUTLINES: Partial<Record<SourceFormat, (file: FileWindow) => Promise<Outline | undefined>>> = {
  gif: gifOutline,
  webp: webpOutline,
};

/**
 * Reads a picture's size and counts its frames without a decoder. libwebp's time for that grows with the square of the number of
 * frames: a file of 3 MB keeps it busy for seconds.
 * @returns undefined for a broken container, and for JPEG, PNG and AVIF: libvips reads their headers quickly
 */
export async function outlineOf(path: string, format: SourceFormat): Promise<Outline | undefined> {
  const outline = OUTLINES[format];
  return outline && reading(path, outline);
}

const TRAILER = 0x3b;
const EXTENSION = 0x21;
/** The introducer and the label. */
const EXTENSION_BYTES = 2;
const IMAGE = 0x2c;
const IMAGE_BYTES = 10;
/** The data of a frame begin with the size of its codes. */
const CODE_SIZE_BYTES = 1;

/** Some encoders write the size of the whole screen. libnsgif ignores these sizes and takes that of the first frame. */
const SCREENS = new Set(['640x480', '640x512', '800x600', '1024x768', '1280x1024', '1600x1200']);
const MAX_SCREEN_EDGE = 2048;

/**
 * Walks the blocks of a GIF up to its trailer. What follows the trailer does not matter.
 * https://www.w3.org/Graphics/GIF/spec-gif89a.txt, sections 17 to 27
 * @returns undefined if the file breaks off before the trailer or has no frame
 */
export async function gifOutline(file: FileWindow): Promise<Outline | undefined> {
  const header = await file.read(0, 13);
  if (!header) return undefined;
  let [width, height] = [header.readUInt16LE(6), header.readUInt16LE(8)];
  if (SCREENS.has(`${width}x${height}`) || Math.max(width, height) > MAX_SCREEN_EDGE || !width || !height) {
    [width, height] = [1, 1];
  }
  let frames = 0;
  let position = header.length + colorTableBytes(header.readUInt8(10));
  // Section 15: each sub-block begins with its length; an empty one is the last.
  let inSubBlocks = false;
  for (;;) {
    const byte = file.heldByte(position) ?? (await file.read(position, 1))?.[0];
    if (byte === undefined) return undefined;
    if (inSubBlocks) {
      inSubBlocks = byte > 0;
      position += 1 + byte;
    } else if (byte === EXTENSION) {
      inSubBlocks = true;
      position += EXTENSION_BYTES;
    } else if (byte === IMAGE) {
      const image = file.held(position, IMAGE_BYTES) ?? (await file.read(position, IMAGE_BYTES));
      if (!image) return undefined;
      // As in libnsgif: only the first frame can make the picture larger than the screen.
      if (frames++ === 0) {
        width = Math.max(width, image.readUInt16LE(1) + image.readUInt16LE(5));
        height = Math.max(height, image.readUInt16LE(3) + image.readUInt16LE(7));
      }
      inSubBlocks = true;
      position += IMAGE_BYTES + colorTableBytes(image.readUInt8(9)) + CODE_SIZE_BYTES;
    } else {
      return byte === TRAILER && frames > 0 ? { width, height, frames } : undefined;
    }
  }
}

/** @param packed the field that says whether there is a table, and of how many colours */
function colorTableBytes(packed: number): number {
  return packed & 0x80 ? 3 * 2 ** ((packed & 7) + 1) : 0;
}

const CHUNK_HEADER_BYTES = 8;
const ANMF = Buffer.from('ANMF').readUInt32LE();
/** The frame's place, size and duration. Its own chunks follow. */
const ANMF_FIELDS_BYTES = 16;
const ANIMATION_FLAG = 0x02;

/**
 * Reads the header of a WebP and counts its frames.
 * https://developers.google.com/speed/webp/docs/riff_container; for stills RFC 6386, section 9.1, and RFC 9649, section 3.4
 * @returns undefined without a sound header. In a file that breaks off later, the frames before that count: libwebp refuses it.
 */
export async function webpOutline(file: FileWindow): Promise<Outline | undefined> {
  const header = await file.read(0, 30);
  switch (header?.toString('latin1', 12, 16)) {
    case 'VP8 ':
      if (header.readUIntBE(23, 3) !== 0x9d012a) return undefined;
      return { width: header.readUInt16LE(26) & 0x3fff, height: header.readUInt16LE(28) & 0x3fff, frames: 1 };
    case 'VP8L': {
      if (header.readUInt8(20) !== 0x2f) return undefined;
      const bits = header.readUInt32LE(21);
      return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff), frames: 1 };
    }
    case 'VP8X': {
      const canvas = { width: 1 + header.readUIntLE(24, 3), height: 1 + header.readUIntLE(27, 3) };
      const animated = (header.readUInt8(20) & ANIMATION_FLAG) !== 0;
      return { ...canvas, frames: animated ? await countFrames(file, header) : 1 };
    }
    default:
      return undefined;
  }
}

/**
 * Counts ANMF chunks, including those inside other ANMF chunks: after the picture in a frame, libwebp does not skip to the frame's
 * end but reads on, and takes another ANMF chunk there for the next frame.
 */
async function countFrames(file: FileWindow, header: Buffer): Promise<number> {
  const end = Math.min(file.size, CHUNK_HEADER_BYTES + header.readUInt32LE(4));
  let frames = 0;
  let position = 12 + CHUNK_HEADER_BYTES + padded(header.readUInt32LE(16));
  while (position + CHUNK_HEADER_BYTES <= end) {
    const chunk = file.held(position, CHUNK_HEADER_BYTES) ?? (await file.read(position, CHUNK_HEADER_BYTES));
    if (!chunk) break;
    const size = padded(chunk.readUInt32LE(4));
    position += CHUNK_HEADER_BYTES;
    if (position + size > end) break;
    if (chunk.readUInt32LE(0) !== ANMF) {
      position += size;
    } else {
      if (size < ANMF_FIELDS_BYTES) break;
      frames++;
      position += ANMF_FIELDS_BYTES;
    }
  }
  return Math.max(1, frames);
}

/** Chunks begin at even positions. */
function padded(size: number): number {
  return size + (size & 1);
}
