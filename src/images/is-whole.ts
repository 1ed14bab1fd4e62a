import type { RenditionFormat } from '../model/formats.js';
import { formatOf } from './sniff.js';

/**
 * Whether a picture is of this format and its container is whole. It costs next to nothing, since nothing is decoded: wherever a
 * picture that was encoded here breaks off, it is noticed. What was changed between its ends is not.
 */
export function isWhole(bytes: Buffer, format: RenditionFormat): boolean {
  return formatOf(bytes) === format && ENDS_WELL[format](bytes);
}

const ENDS_WELL: Record<RenditionFormat, (bytes: Buffer) => boolean> = {
  // EOI, ITU-T T.81, B.1.1.3. The pictures in between have no metadata, where a thumbnail could end.
  jpeg: (bytes) => bytes.subarray(-2).equals(END_OF_JPEG),
  png: (bytes) => bytes.subarray(-END_OF_PNG.length).equals(END_OF_PNG),
  // https://developers.google.com/speed/webp/docs/riff_container#webp_file_header
  webp: (bytes) => bytes.readUInt32LE(4) + 8 === bytes.length,
  gif: hasTrailer,
  avif: hasAllBoxes,
};

const END_OF_JPEG = Buffer.from([0xff, 0xd9]);

/** The chunk IEND, https://www.w3.org/TR/png/#11IEND: no data, and its sum. */
const END_OF_PNG = Buffer.from('\0\0\0\0IEND\xae\x42\x60\x82', 'latin1');

const GIF = { header: 13, extension: 0x21, image: 0x2c, trailer: 0x3b } as const;

/** Its blocks are counted, since the trailer is a single byte: GIF89a, appendix B. */
function hasTrailer(bytes: Buffer): boolean {
  let position = GIF.header + colorTableLength(bytes[10]);
  for (;;) {
    const introducer = bytes[position];
    if (introducer === GIF.trailer) return position === bytes.length - 1;
    if (introducer === GIF.extension) position += 2;
    else if (introducer === GIF.image) position += 11 + colorTableLength(bytes[position + 9]);
    else return false;
    for (let length = bytes[position]; length !== 0; length = bytes[position]) {
      if (length === undefined) return false;
      position += 1 + length;
    }
    position++;
  }
}

/** @param flags of a screen or an image: bit 7 says that there is a table, bits 0 to 2 how large it is */
function colorTableLength(flags = 0): number {
  return (flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1);
}

/** Boxes of ISO/IEC 14496-12, 4.2. One that goes to the end of the file, with a size of 0, could break off anywhere. */
function hasAllBoxes(bytes: Buffer): boolean {
  const types = new Set<string>();
  let position = 0;
  while (position + 8 <= bytes.length) {
    const size = bytes.readUInt32BE(position);
    if (size < 8) return false;
    types.add(bytes.toString('latin1', position + 4, position + 8));
    position += size;
  }
  return position === bytes.length && types.has('meta') && types.has('mdat');
}
