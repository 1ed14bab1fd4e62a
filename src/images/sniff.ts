import type { SourceFormat } from '../model/formats.js';
import { reading } from './file-window.js';

/** First bytes of each format, as their specifications give them; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [SourceFormat, RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n.\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF.{4}WEBP/s],
  ['avif', /^.{4}ftypavi[fs]/s],
];

/** As far as the signatures go. */
const HEAD_BYTES = 16;

/** The format that a file's first bytes claim, so that no decoder ever sees anything else. */
export function sniff(path: string): Promise<SourceFormat | undefined> {
  return reading(path, async (file) => {
    const head = await file.read(0, Math.min(HEAD_BYTES, file.size));
    return head && formatOf(head);
  });
}

/** The same of a picture in memory. */
export function formatOf(bytes: Buffer): SourceFormat | undefined {
  const head = bytes.toString('latin1', 0, HEAD_BYTES);
  return SIGNATURES.find(([, signature]) => signature.test(head))?.[0];
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
      const start = await file.read(position, 9);
      if (start?.[0] !== 0xff) return undefined;
      const marker = start.readUInt8(1);
      if (isFrameHeader(marker)) return Math.max(start.readUInt16BE(5), start.readUInt16BE(7));
      // A marker may be preceded by any number of bytes 0xff.
      position += marker === 0xff ? 1 : 2 + start.readUInt16BE(2);
    }
    return undefined;
  });
}

/** SOF0 to SOF15, among which are three other markers: ITU-T T.81, table B.1. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}
