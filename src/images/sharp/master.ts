import sharp, { type Metadata, type OutputInfo, type Sharp } from 'sharp';
import type { Settings } from '../../config/settings.js';
import { CodedError } from '../../errors.js';
import type { Crop, Framing, MasterFormat, Reduction, Rotation } from '../../model/formats.js';
import { sha256Hex } from '../../model/sha256.js';
import type { Master } from '../image-pipeline.js';
import { previewOf } from '../preview.js';
import type { OpenSource } from './source.js';

interface Encoder {
  full: (picture: Sharp) => Sharp;
  /** For masters of too many bytes: leaves two fifths of a photo's bytes, and two thirds of noise. */
  lower: (picture: Sharp) => Sharp;
}

// Measured on a 12-megapixel source and a 1024 px master, see docs/images.md: JPEG costs a third of WebP to
// encode, and half to derive smaller pictures from. WebP carries transparency and animation.
const ENCODERS: Record<MasterFormat, Encoder> = {
  jpeg: {
    full: (picture) => picture.removeAlpha().jpeg({ quality: 90 }),
    lower: (picture) => picture.removeAlpha().jpeg({ quality: 60 }),
  },
  webp: {
    full: (picture) => picture.webp({ quality: 85, effort: 0 }),
    lower: (picture) => picture.webp({ quality: 50, alphaQuality: 50, effort: 0 }),
  },
};

/** A part of the upright picture, and how it is turned after it was cut out and made smaller. */
export interface View {
  part: Crop;
  rotate: Rotation | 0;
}

/**
 * What a master shows of an upright picture.
 * @throws CodedError `invalid_crop` it reaches outside the picture; `invalid_rotate` an animation
 */
export function viewOf(header: Metadata, { crop, ...framing }: Framing): View {
  const rotate: View['rotate'] = framing.rotate ?? 0;
  if (rotate !== 0 && isAnimated(header)) {
    const detail = 'An animation cannot be turned. Send it without rotate.';
    throw new CodedError('invalid_rotate', detail, { parameter: 'rotate' });
  }
  const upright = uprightSize(header);
  if (!crop) return { part: { x: 0, y: 0, ...upright }, rotate };
  const isOnItsSide = rotate === 90 || rotate === 270;
  const [width, height] = isOnItsSide ? [upright.height, upright.width] : [upright.width, upright.height];
  if (crop.x + crop.width > width || crop.y + crop.height > height) {
    const how = rotate !== 0 ? 'after its rotation' : 'upright';
    const detail = `The crop reaches outside the picture, which is ${width} x ${height} px ${how}.`;
    throw new CodedError('invalid_crop', detail, { parameter: 'crop' });
  }
  return { part: beforeRotation(crop, rotate, upright), rotate };
}

/** Where a part of the rotated picture lies in the upright one. */
function beforeRotation(
  { x, y, width, height }: Crop,
  rotate: Rotation | 0,
  upright: { width: number; height: number },
): Crop {
  switch (rotate) {
    case 0:
      return { x, y, width, height };
    case 90:
      return { x: y, y: upright.height - x - width, width: height, height: width };
    case 180:
      return { x: upright.width - x - width, y: upright.height - y - height, width, height };
    case 270:
      return { x: upright.width - y - height, y: x, width: height, height: width };
  }
}

/**
 * Makes a master: upright, square, and within `avatarMasterMaxBytes`.
 * @throws CodedError `image_too_large` too many bytes, even at a lower quality and without motion
 */
export async function encodeMaster(
  open: OpenSource,
  header: Metadata,
  { part, rotate }: View,
  { avatarMasterSize, avatarMasterMaxBytes }: Settings,
): Promise<Master> {
  const animated = isAnimated(header);
  const side = Math.min(avatarMasterSize, part.width, part.height);
  const square = { width: side, height: side, fit: 'cover', position: sharp.strategy.attention } as const;
  // Raw pixels, from which the master and its preview are made side by side.
  const { data, info } = await openStill(open, header, part)
    .resize(square)
    .rotate(rotate)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { channels } = info;
  const still = () => sharp(data, { raw: { width: side, height: side, channels } });
  const moving = () => open({ animated: true }).extract(squareOf(info, part)).resize(side, side);
  const encodeStill = (reduced?: Reduction) =>
    encodeWithin(avatarMasterMaxBytes, still, isOpaque(data, channels) ? 'jpeg' : 'webp', reduced);
  const encode = async () => {
    if (!animated) return encodeStill();
    const encoded = await encodeWithin(avatarMasterMaxBytes, moving, 'webp');
    return 'excess' in encoded ? encodeStill('still') : encoded;
  };
  const encoding = encode();
  // Beside the encoder, which has a thread of its own.
  const preview = previewOf({ data, side, channels });
  const encoded = await encoding;
  if ('excess' in encoded) throw tooManyBytes(encoded.excess, side, avatarMasterMaxBytes);
  const { bytes, format, reduced } = encoded;
  return {
    bytes,
    sha256: sha256Hex(bytes),
    format,
    width: side,
    height: side,
    // The encoder merges frames that are all the same into one.
    animated:
      animated &&
      reduced !== 'still' &&
      isAnimated(await sharp(bytes, { limitInputPixels: false }).metadata()),
    ...(reduced && { reduced }),
    ...preview,
  };
}

function openStill(open: OpenSource, header: Metadata, part: Crop): Sharp {
  const upright = isAnimated(header) ? open() : open().autoOrient();
  // With 16 bits and a profile, sharp would work in Display P3 and leave its numbers in the untagged result.
  if (header.depth === 'ushort') upright.pipelineColourspace('srgb');
  const { width, height } = uprightSize(header);
  return part.width === width && part.height === height ? upright : upright.extract(region(part));
}

/**
 * Encodes a master, and once more at a lower quality if it has too many bytes.
 * @param reduced what has given way already
 * @returns `excess`: it still has too many bytes, and how many
 */
async function encodeWithin(
  maxBytes: number,
  picture: () => Sharp,
  format: MasterFormat,
  reduced?: Reduction,
): Promise<{ bytes: Buffer; format: MasterFormat; reduced: Reduction | undefined } | { excess: number }> {
  const { full, lower } = ENCODERS[format];
  let bytes = await full(picture()).toBuffer();
  if (bytes.length <= maxBytes) return { bytes, format, reduced };
  bytes = await lower(picture()).toBuffer();
  if (bytes.length <= maxBytes) return { bytes, format, reduced: reduced ?? 'quality' };
  return { excess: bytes.length };
}

function tooManyBytes(bytes: number, side: number, maxBytes: number): CodedError {
  return new CodedError(
    'image_too_large',
    `The picture takes ${bytes} bytes at ${side} x ${side} px, even at a lower quality. At most ${maxBytes} bytes are kept. Send fewer pixels, or a picture with less noise.`,
  );
}

function isAnimated({ pages = 1 }: Metadata): boolean {
  return pages > 1;
}

/** libvips cannot turn an animation, so an animation counts as upright the way it is stored. */
function uprightSize(header: Metadata): { width: number; height: number } {
  const { width, height } = isAnimated(header) ? header : header.autoOrient;
  return { width, height };
}

/** @param data pixels whose last channel is alpha if there are two or four */
function isOpaque(data: Buffer, channels: number): boolean {
  if (channels % 2 === 1) return true;
  for (let alpha = channels - 1; alpha < data.length; alpha += channels)
    if (data[alpha] !== 255) return false;
  return true;
}

/** The square of the part that drew the most attention in the first frame, in px of the source. */
function squareOf({ width, cropOffsetLeft = 0, cropOffsetTop = 0 }: OutputInfo, part: Crop) {
  const side = Math.min(part.width, part.height);
  const scale = side / width;
  return region({
    x: part.x + Math.min(Math.round(-cropOffsetLeft * scale), part.width - side),
    y: part.y + Math.min(Math.round(-cropOffsetTop * scale), part.height - side),
    width: side,
    height: side,
  });
}

function region({ x, y, width, height }: Crop) {
  return { left: x, top: y, width, height };
}
