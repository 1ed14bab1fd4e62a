import type { Metadata, Sharp, SharpOptions } from 'sharp';
import type { Settings } from '../../config/settings.js';
import { CodedError } from '../../errors.js';
import type { SourceFormat } from '../../model/formats.js';
import type { Dimensions } from '../containers/dimensions.js';
import { jpegEdge } from '../containers/jpeg.js';
import { parseFile } from '../containers/parse.js';
import { readDimensions } from '../containers/read-dimensions.js';
import { sniffFile } from '../containers/sniff.js';
import { tooManyPixels, unreadableUpload } from './libvips-errors.js';

/**
 * The longest edge in px that libjpeg accepts. A longer picture of another format is no portrait, but takes
 * seconds to shrink.
 */
const MAX_EDGE = 65_500;

/** An uploaded picture: opens it once more with each call. */
export type OpenSource = (options?: SharpOptions) => Sharp;

/**
 * Refuses what can be refused without a decoder, and so without waiting for a turn.
 * @throws CodedError `unsupported_image`, `unreadable_image`, `image_too_large`
 */
export async function checkContainer(path: string, settings: Settings): Promise<SourceFormat> {
  const { avatarAllowedTypes } = settings;
  const format = await sniffFile(path);
  if (format === undefined || !avatarAllowedTypes.includes(format)) {
    throw new CodedError(
      'unsupported_image',
      `The file is not a picture of an accepted format (${avatarAllowedTypes.join(', ')}).`,
    );
  }
  const dimensions = await readDimensions(path, format);
  // libvips would read a broken GIF as an animation of the frames that are there.
  if (format === 'gif' && !dimensions) throw unreadableUpload();
  if (dimensions) assertDimensions({ ...dimensions, deep: false }, settings);
  return format;
}

/**
 * Reads the header, and nothing else.
 * @throws CodedError `image_too_large`
 */
export async function readHeader(
  open: OpenSource,
  path: string,
  format: SourceFormat,
  settings: Settings,
): Promise<Metadata> {
  // libvips' own limit would not add up the frames.
  const reading = open({ limitInputPixels: false }).metadata();
  const header = await reading.catch(async (error: unknown) => {
    const edge = format === 'jpeg' ? await parseFile(path, jpegEdge) : undefined;
    throw edge !== undefined && edge > MAX_EDGE ? tooManyPixels(error) : error;
  });
  const { width, height, pages = 1, depth } = header;
  assertDimensions({ width, height, frames: pages, deep: depth !== 'uchar' }, settings);
  return header;
}

/**
 * @param picture `deep` if its pixels have 16 bits
 * @throws CodedError `image_too_large`
 */
function assertDimensions(
  { width, height, frames, deep }: Dimensions & { deep: boolean },
  { avatarMaxPixels, avatarMaxFrames }: Settings,
): void {
  // The limit stands for the memory that decoding takes.
  const pixels = width * height * frames * (deep ? 2 : 1);
  const limits = [
    [frames > avatarMaxFrames, `At most ${avatarMaxFrames} frames are accepted.`],
    [
      pixels > avatarMaxPixels,
      `At most ${avatarMaxPixels} px are accepted${frames > 1 ? ', all frames together' : ''}.`,
    ],
    [Math.max(width, height) > MAX_EDGE, `At most ${MAX_EDGE} px are accepted for an edge.`],
  ] as const;
  const exceeded = limits.find(([exceeds]) => exceeds);
  if (!exceeded) return;
  const inFrames = frames > 1 ? ` in each of ${frames} frames` : '';
  const bits = deep ? ` of 16 bits, which count as ${pixels} px since each takes twice the memory` : '';
  throw new CodedError(
    'image_too_large',
    `The picture has ${width} x ${height} px${inFrames}${bits}. ${exceeded[1]}`,
  );
}
