import { type FileHandle, open } from 'node:fs/promises';
import type { SourceFormat } from './image-pipeline.js';

/** First bytes of each format, as their specifications give them; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [SourceFormat, RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n.\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF.{4}WEBP/s],
  ['avif', /^.{4}ftypavi[fs]/s],
];

/** How far behind the end of a GIF something else may follow. */
const TAIL_BYTES = 64;

/** The format that a file's first bytes claim, so that no decoder ever sees anything else. */
export function sniff(path: string): Promise<SourceFormat | undefined> {
  return reading(path, async (file) => {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(16), position: 0 });
    const head = buffer.toString('latin1', 0, bytesRead);
    return SIGNATURES.find(([, signature]) => signature.test(head))?.[0];
  });
}

/**
 * Whether a GIF breaks off: libvips takes one for an animation of the frames that are there. The last block ends with a zero
 * and is followed by the trailer, GIF89a, section 27.
 */
export function isCutOffGif(path: string): Promise<boolean> {
  return reading(path, async (file) => {
    const { size } = await file.stat();
    const tail = { buffer: Buffer.alloc(TAIL_BYTES), position: Math.max(0, size - TAIL_BYTES) };
    const { buffer } = await file.read(tail);
    return !buffer.includes('\0;');
  });
}

/** How many segments of a JPEG are looked through for its frame header; cameras and editors write some dozens. */
const MAX_SEGMENTS = 500;

/**
 * The longer edge that the frame header of a JPEG claims, in px: ITU-T T.81, B.2.2. It is read here since libvips tells a JPEG
 * too large for it from a damaged one by the text of the error only, and that text may be another picture's.
 * @returns undefined where no frame header is found
 */
export function jpegEdge(path: string): Promise<number | undefined> {
  return reading(path, async (file) => {
    let position = 2;
    for (let segment = 0; segment < MAX_SEGMENTS; segment++) {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(9), position });
      if (bytesRead < buffer.length || buffer[0] !== 0xff) return undefined;
      const marker = buffer.readUInt8(1);
      if (isFrameHeader(marker)) return Math.max(buffer.readUInt16BE(5), buffer.readUInt16BE(7));
      // A marker may be preceded by any number of bytes 0xff.
      position += marker === 0xff ? 1 : 2 + buffer.readUInt16BE(2);
    }
    return undefined;
  });
}

async function reading<T>(path: string, read: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await read(file);
  } finally {
    await file.close();
  }
}

/** SOF0 to SOF15, among which are three other markers: ITU-T T.81, table B.1. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
