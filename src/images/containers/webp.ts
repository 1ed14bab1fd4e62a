import type { Dimensions } from './dimensions.js';
import type { Parser } from './parse.js';

const CHUNK_HEADER_BYTES = 8;
const ANMF = Buffer.from('ANMF').readUInt32LE();
/** The frame's place, size and duration. The chunks of the frame follow. */
const ANMF_FIELDS_BYTES = 16;
const ANIMATION_FLAG = 0x02;

/**
 * Reads the header of a WebP and counts its frames.
 * https://developers.google.com/speed/webp/docs/riff_container; for stills RFC 6386, section 9.1, and RFC
 * 9649, section 3.4
 * @param size of the file in bytes
 * @returns undefined without a sound header. If the file breaks off later, only the frames before that count:
 * libwebp refuses it.
 */
export function* webpDimensions(size: number): Parser<Dimensions | undefined> {
  const header = yield { position: 0, length: 30 };
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
      return { ...canvas, frames: animated ? yield* countFrames(header, size) : 1 };
    }
    default:
      return undefined;
  }
}

/**
 * Counts ANMF chunks, including those inside other ANMF chunks: after the picture in a frame, libwebp does
 * not skip to the frame's end but reads on, and takes another ANMF chunk there for the next frame.
 */
function* countFrames(header: Buffer, size: number): Parser<number> {
  const end = Math.min(size, CHUNK_HEADER_BYTES + header.readUInt32LE(4));
  let frames = 0;
  let position = 12 + CHUNK_HEADER_BYTES + padded(header.readUInt32LE(16));
  while (position + CHUNK_HEADER_BYTES <= end) {
    const chunk = yield { position, length: CHUNK_HEADER_BYTES };
    if (!chunk) break;
    const length = padded(chunk.readUInt32LE(4));
    position += CHUNK_HEADER_BYTES;
    if (position + length > end) break;
    if (chunk.readUInt32LE(0) !== ANMF) {
      position += length;
    } else {
      if (length < ANMF_FIELDS_BYTES) break;
      frames++;
      position += ANMF_FIELDS_BYTES;
    }
  }
  return Math.max(1, frames);
}

/** Chunks begin at even positions. */
function padded(length: number): number {
  return length + (length & 1);
}
