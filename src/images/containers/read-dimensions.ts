import type { SourceFormat } from '../../model/formats.js';
import type { Dimensions } from './dimensions.js';
import { gifDimensions } from './gif.js';
import { type Parse, parseFile } from './parse.js';
import { webpDimensions } from './webp.js';

const PARSERS: Partial<Record<SourceFormat, Parse<Dimensions | undefined>>> = {
  gif: gifDimensions,
  webp: webpDimensions,
};

/**
 * Reads a picture's size and counts its frames without a decoder. libwebp's time for that grows with the
 * square of the number of frames: a file of 3 MB keeps it busy for seconds.
 * @returns undefined for a broken container, and for JPEG, PNG and AVIF: libvips reads their headers quickly
 */
export async function readDimensions(path: string, format: SourceFormat): Promise<Dimensions | undefined> {
  const parse = PARSERS[format];
  return parse && parseFile(path, parse);
}
