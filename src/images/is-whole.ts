import type { RenditionFormat } from '../model/formats.js';
import { gifDimensions } from './containers/gif.js';
import { parseBytes } from './containers/parse.js';
import { sniffBytes } from './containers/sniff.js';

/**
 * Tells whether a picture has this format and a complete container. Nothing is decoded, so it costs next to
 * nothing. It notices wherever a picture that Visage encoded breaks off, but not bytes that were changed in
 * between.
 */
export function isWhole(bytes: Buffer, format: RenditionFormat): boolean {
  return sniffBytes(bytes) === format && ENDS_WELL[format](bytes);
}

const ENDS_WELL: Record<RenditionFormat, (bytes: Buffer) => boolean> = {
  // EOI, ITU-T T.81, B.1.1.3. Our pictures have no metadata, so no thumbnail can end there instead.
  jpeg: (bytes) => bytes.subarray(-2).equals(END_OF_JPEG),
  png: (bytes) => bytes.subarray(-END_OF_PNG.length).equals(END_OF_PNG),
  // https://developers.google.com/speed/webp/docs/riff_container#webp_file_header
  webp: (bytes) => bytes.readUInt32LE(4) + 8 === bytes.length,
  // All blocks are walked, since the trailer is a single byte that can also occur elsewhere.
  gif: (bytes) => parseBytes(bytes, gifDimensions)?.bytes === bytes.length,
  avif: hasAllBoxes,
};

const END_OF_JPEG = Buffer.from([0xff, 0xd9]);

/** The chunk IEND, https://www.w3.org/TR/png/#11IEND: its length, its name and its checksum. */
const END_OF_PNG = Buffer.from('\0\0\0\0IEND\xae\x42\x60\x82', 'latin1');

/**
 * Boxes of ISO/IEC 14496-12, 4.2. A box of size 0 extends to the end of the file, so it could break off
 * anywhere.
 */
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
