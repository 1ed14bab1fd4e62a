import { createHash } from 'node:crypto';
import sharp, { type Metadata, type OutputInfo, type Sharp, type SharpOptions } from 'sharp';
import { CodedError } from '../errors.js';
import {
  type Crop,
  MOVING_FORMATS,
  type MasterFormat,
  type Reduction,
  type RenditionFormat,
  type SourceFormat,
} from '../model/formats.js';
import { type Outline, outlineOf, webpOutline } from './container.js';
import { FairTurns, type Place } from './fair-turns.js';
import { FileWindow } from './file-window.js';
import {
  type ImageLine,
  ImagePipeline,
  type ImageTurns,
  type Master,
  type Pixels,
  type Rendering,
  TooSlow,
} from './image-pipeline.js';
import { type Impression, impressionOfPixels } from './impression.js';
import { jpegEdge, sniff } from './sniff.js';

export interface SharpPipelineOptions {
  allowedFormats: readonly SourceFormat[];
  /** Of all frames together. */
  maxPixels: number;
  maxFrames: number;
  /** Longest edge of a master in px. */
  masterSize: number;
  /** Also of a rendition that moves. */
  masterMaxBytes: number;
  /** Uploads decoded at the same time, and beside them as many masters that renditions are made of. */
  concurrency: number;
  /** Uploads that may wait for their turn, and as many renditions. */
  queue: number;
  /** How long one picture may take, in ms. */
  timeoutMs: number;
}

const LOADERS: Record<SourceFormat, string> = {
  jpeg: 'VipsForeignLoadJpeg',
  png: 'VipsForeignLoadPng',
  webp: 'VipsForeignLoadWebp',
  gif: 'VipsForeignLoadNsgif',
  avif: 'VipsForeignLoadHeif',
};

// Measured on a 12-megapixel source and a 1024 px master: JPEG costs a third of WebP to encode
// and half of it to derive smaller pictures from; WebP is what carries transparency and animation, at effort 0.
// `lower` is for masters of too many bytes: of a photo it leaves two fifths of them, of noise two thirds.
const MASTER: Record<MasterFormat, Record<'full' | 'lower', (picture: Sharp) => Sharp>> = {
  jpeg: {
    full: (picture) => picture.removeAlpha().jpeg({ quality: 90 }),
    lower: (picture) => picture.removeAlpha().jpeg({ quality: 60 }),
  },
  webp: {
    full: (picture) => picture.webp({ quality: 85, effort: 0 }),
    lower: (picture) => picture.webp({ quality: 50, alphaQuality: 50, effort: 0 }),
  },
};

/**
 * Longer animations, in px of all frames together, are encoded with less effort, so that the longest accepted one (50 million px by
 * default) takes half of IMAGE_TIMEOUT_MS on one core: as GIF 9 s instead of 26 s, as WebP 4 s instead of 6 s. docs/images.md has
 * the measurements.
 */
const LONG_ANIMATION = 8_000_000;
const VERY_LONG_ANIMATION = 20_000_000;

/** Animations of more px, all frames together, take a second or more as GIF. */
const COSTLY_ANIMATION = 2_000_000;

/** @param pixels px of all frames of an animation together; 0 for a still */
type Encode = (picture: Sharp, pixels: number) => Sharp;

const RENDER: Record<RenditionFormat, Encode> = {
  jpeg: (picture) => picture.flatten({ background: '#ffffff' }).jpeg({ quality: 82 }),
  png: (picture) => picture.png(),
  webp: (picture, pixels) => picture.webp({ quality: 80, effort: pixels > LONG_ANIMATION ? 2 : 4 }),
  // Effort 4, the default, takes six times as long for a tenth fewer bytes.
  avif: (picture) => picture.avif({ quality: 55, effort: 2 }),
  gif: (picture, pixels) =>
    picture.gif({
      effort: 3,
      ...(pixels > LONG_ANIMATION && { dither: 0 }),
      ...(pixels > VERY_LONG_ANIMATION && { colours: 16 }),
    }),
};

/** The longest edge that libjpeg takes, in px; what is longer in another format is no portrait but costs seconds to shrink. */
const MAX_EDGE = 65_500;

/** What many phones get wrong in a JPEG though the picture is whole: https://github.com/lovell/sharp/issues/1578. */
const HARMLESS = 'Invalid SOS parameters for sequential JPEG';

type Open = (source: string | Buffer, options?: SharpOptions) => Sharp;

interface Size {
  width: number;
  height: number;
}

/** Masters by libvips. */
export class SharpPipeline extends ImagePipeline {
  /** Readers do not stand in line with uploads, nor with what takes ten times as long. */
  private readonly lines: Record<ImageLine, FairTurns>;
  private readonly input: SharpOptions;

  constructor(private readonly options: SharpPipelineOptions) {
    super();
    const { concurrency, queue } = options;
    this.lines = {
      masters: new FairTurns({ turns: concurrency, queue }),
      renditions: new FairTurns({ turns: concurrency, queue }),
      avif: new FairTurns({ turns: 1, queue }),
    };
    this.input = { limitInputPixels: options.maxPixels, failOn: 'warning', sequentialRead: true };
    sharp.block({ operation: ['VipsForeignLoad'] });
    // JPEG and WebP are read in any case: they are what masters are made of.
    sharp.unblock({
      operation: [...new Set([...options.allowedFormats, 'jpeg', 'webp'] as const)].map(
        (format) => LOADERS[format],
      ),
    });
    // The cache is for repeated work on one picture, and holds memory and files open.
    sharp.cache(false);
    // One thread a picture: they are made side by side, and a second one costs a tenth more CPU and saves no time.
    sharp.concurrency(1);
  }

  override async makeMaster(path: string, crop?: Crop): Promise<Master> {
    const format = await this.screen(path);
    return this.queued(this.lines.masters, (open) =>
      decoding(async () => {
        const header = await this.readHeader((options) => open(path, options), path, format);
        const upright = uprightSize(header);
        if (crop) assertWithin(crop, upright);
        const part = crop ?? { x: 0, y: 0, ...upright };
        try {
          return await this.encodeMaster((options) => open(path, options), header, part);
        } catch (error) {
          if (!(error as Error).message.includes(HARMLESS)) throw error;
          return this.encodeMaster((options) => open(path, { ...options, failOn: 'error' }), header, part);
        }
      }),
    );
  }

  override async render(
    master: Buffer,
    { size, format, still = false, exact = false }: Rendering,
    group?: string,
  ): Promise<Buffer> {
    const animated = MOVING_FORMATS.includes(format) && !still;
    const outline = animated ? await webpOutline(FileWindow.of(master)) : undefined;
    const { frames = 0, width = size } = outline && outline.frames > 1 ? outline : {};
    const side = exact ? size : Math.min(size, width);
    const costly = frames * Math.max(width, side) ** 2 > COSTLY_ANIMATION;
    return this.queued(
      this.lineOf(format),
      async (open) => {
        const draw = (moves: boolean) => {
          // The limit is for uploads, and may have been a higher one when this was accepted.
          const picture = open(master, { animated: moves, limitInputPixels: false });
          const sized = picture.resize(size, size, { withoutEnlargement: !exact });
          return inTime(() => compactBytes(RENDER[format](sized, moves ? frames * side ** 2 : 0)));
        };
        if (!animated) return draw(false);
        const moving = await draw(true);
        return moving.length > this.options.masterMaxBytes ? draw(false) : moving;
      },
      { group, costly },
    );
  }

  override async encode({ rgba, width, height }: Pixels, format: RenditionFormat): Promise<Buffer> {
    return this.queued(this.lineOf(format), async (open) => {
      const picture = open(rgba, { raw: { width, height, channels: 4 } });
      return inTime(() => compactBytes(RENDER[format](picture, 0)));
    });
  }

  override turns(): Record<ImageLine, ImageTurns> {
    const { masters, renditions, avif } = this.lines;
    const turnsOf = ({ active, waiting }: FairTurns) => ({ active, waiting });
    return { masters: turnsOf(masters), renditions: turnsOf(renditions), avif: turnsOf(avif) };
  }

  private lineOf(format: RenditionFormat): FairTurns {
    return format === 'avif' ? this.lines.avif : this.lines.renditions;
  }

  /** @param task gets what opens pictures within the time of its turn */
  private queued<T>(line: FairTurns, task: (open: Open) => Promise<T>, place?: Place): Promise<T> {
    return line.run(() => {
      const deadline = performance.now() + this.options.timeoutMs;
      return task((source, options = {}) => {
        const seconds = Math.max(1, Math.ceil((deadline - performance.now()) / 1000));
        return sharp(source, { ...this.input, ...options }).timeout({ seconds });
      });
    }, place);
  }

  /**
   * Refuses what can be refused without a decoder, and so without waiting for a turn.
   * @throws CodedError `unsupported_image`, `unreadable_image`, `image_too_large`
   */
  private async screen(path: string): Promise<SourceFormat> {
    const format = await sniff(path);
    if (format === undefined || !this.options.allowedFormats.includes(format)) {
      throw new CodedError(
        'unsupported_image',
        `The file is not a picture of an accepted format (${this.options.allowedFormats.join(', ')}).`,
      );
    }
    const outline = await outlineOf(path, format);
    // libvips would make an animation of those frames of a broken GIF that are there.
    if (format === 'gif' && !outline) throw unreadable();
    if (outline) assertSize({ ...outline, deep: false }, this.options);
    return format;
  }

  private async readHeader(
    open: (options: SharpOptions) => Sharp,
    path: string,
    format: SourceFormat,
  ): Promise<Metadata> {
    // Only the header is read here, and the limit that libvips would apply would not sum the frames.
    const reading = open({ limitInputPixels: false }).metadata();
    const header = await reading.catch(async (error: unknown) => {
      const edge = format === 'jpeg' ? await jpegEdge(path) : undefined;
      throw edge !== undefined && edge > MAX_EDGE ? tooManyPixels(error) : error;
    });
    const { width, height, pages = 1, depth } = header;
    assertSize({ width, height, frames: pages, deep: depth !== 'uchar' }, this.options);
    return header;
  }

  private async encodeMaster(
    open: (options?: SharpOptions) => Sharp,
    header: Metadata,
    crop: Crop,
  ): Promise<Master> {
    const animated = isAnimated(header);
    const { width, height } = uprightSize(header);
    const side = Math.min(this.options.masterSize, crop.width, crop.height);
    const square = { width: side, height: side, fit: 'cover', position: sharp.strategy.attention } as const;
    const whole = crop.width === width && crop.height === height;
    const still = () => {
      const upright = animated ? open() : open().autoOrient();
      // With 16 bits and a profile, sharp would work in Display P3 and leave its numbers in the untagged result.
      if (header.depth === 'ushort') upright.pipelineColourspace('srgb');
      return whole ? upright : upright.extract(region(crop));
    };
    // As bare pixels, from which the master and what stands in for it are made side by side.
    const { data, info } = await still().resize(square).raw().toBuffer({ resolveWithObject: true });
    const { channels } = info;
    const pixels = () => sharp(data, { raw: { width: side, height: side, channels } });
    const moving = () => open({ animated: true }).extract(squareOf(info, crop)).resize(side, side);
    const makeStill = (reduced?: Reduction) =>
      this.encodeWithin(pixels, isOpaque(data, channels) ? 'jpeg' : 'webp', reduced);
    const make = async () => {
      const encoded = animated ? await this.encodeWithin(moving, 'webp') : await makeStill();
      return animated && 'excess' in encoded ? makeStill('still') : encoded;
    };
    const [encoded, impression] = await Promise.all([make(), impressionOf(pixels())]);
    if ('excess' in encoded) throw tooManyBytes(encoded.excess, side, this.options.masterMaxBytes);
    const { bytes, format, reduced } = encoded;
    return {
      bytes,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      format,
      width: side,
      height: side,
      // Frames that are all the same are made one by the encoder.
      animated: animated && reduced !== 'still' && isAnimated(await sharp(bytes, this.input).metadata()),
      ...(reduced && { reduced }),
      ...impression,
    };
  }

  /**
   * Encodes a master, and once more at a lower quality if it has too many bytes.
   * @param reduced what gave way before that
   * @returns `excess`, how many bytes it has even so, if those are still too many
   */
  private async encodeWithin(
    picture: () => Sharp,
    format: MasterFormat,
    reduced?: Reduction,
  ): Promise<{ bytes: Buffer; format: MasterFormat; reduced: Reduction | undefined } | { excess: number }> {
    const { full, lower } = MASTER[format];
    const fits = ({ length }: Buffer) => length <= this.options.masterMaxBytes;
    let bytes = await full(picture()).toBuffer();
    if (fits(bytes)) return { bytes, format, reduced };
    bytes = await lower(picture()).toBuffer();
    return fits(bytes) ? { bytes, format, reduced: reduced ?? 'quality' } : { excess: bytes.length };
  }
}

/**
 * The encoded picture, in memory of its own: where sharp leaves it, among all that it worked with, one that is kept for long keeps
 * malloc from giving that back.
 */
async function compactBytes(picture: Sharp): Promise<Buffer> {
  const scattered = await picture.toBuffer();
  // Not out of Node's pool, all of which would be kept for a small one.
  const bytes = Buffer.allocUnsafeSlow(scattered.length);
  scattered.copy(bytes);
  return bytes;
}

/** @throws TooSlow */
async function inTime(render: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await render();
  } catch (error) {
    if (!isTimeout(error)) throw error;
    throw new TooSlow({ cause: error });
  }
}

/** What libvips says of a picture, as a code; anything else is ours and stays as it is. */
async function decoding<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof CodedError || message.includes('file is missing')) throw error;
    if (isTimeout(error)) {
      throw new CodedError('image_too_large', 'The picture takes too long to decode.', { cause: error });
    }
    if (message.includes('exceeds pixel limit')) throw tooManyPixels(error);
    throw unreadable(error);
  }
}

function tooManyPixels(cause: unknown): CodedError {
  return new CodedError('image_too_large', 'The picture has too many pixels.', { cause });
}

function tooManyBytes(bytes: number, side: number, most: number): CodedError {
  return new CodedError(
    'image_too_large',
    `The picture takes ${bytes} bytes at ${side} x ${side} px, even at a lower quality. At most ${most} bytes are kept. Send fewer pixels, or a picture with less noise.`,
  );
}

function unreadable(cause?: unknown): CodedError {
  return new CodedError('unreadable_image', 'The picture is damaged and cannot be read.', { cause });
}

function isTimeout(error: unknown): boolean {
  return /^timeout|killed for image/m.test((error as Error).message);
}

/**
 * @param picture `deep` if its pixels have 16 bits
 * @throws CodedError `image_too_large`
 */
function assertSize(
  { width, height, frames, deep }: Outline & { deep: boolean },
  { maxPixels, maxFrames }: SharpPipelineOptions,
): void {
  // What memory it takes to decode one is what counts.
  const pixels = width * height * frames * (deep ? 2 : 1);
  const limits = [
    [frames > maxFrames, `At most ${maxFrames} frames are accepted.`],
    [pixels > maxPixels, `At most ${maxPixels} px are accepted${frames > 1 ? ', all frames together' : ''}.`],
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

function isAnimated({ pages = 1 }: Metadata): boolean {
  return pages > 1;
}

/** An animation is upright as it is stored: libvips cannot turn one. */
function uprightSize(header: Metadata): Size {
  const { width, height } = isAnimated(header) ? header : header.autoOrient;
  return { width, height };
}

function assertWithin(crop: Crop, { width, height }: Size): void {
  if (crop.x + crop.width > width || crop.y + crop.height > height) {
    throw new CodedError(
      'invalid_crop',
      `The crop reaches outside the picture, which is ${width} x ${height} px upright.`,
      {
        parameter: 'crop',
      },
    );
  }
}

/** @param data pixels whose last channel is alpha where there are two or four */
function isOpaque(data: Buffer, channels: number): boolean {
  if (channels % 2 === 1) return true;
  for (let alpha = channels - 1; alpha < data.length; alpha += channels)
    if (data[alpha] !== 255) return false;
  return true;
}

function region({ x, y, width, height }: Crop) {
  return { left: x, top: y, width, height };
}

/** Small, and never of fewer pixels than a ThumbHash has waves: it would show waves. */
async function impressionOf(picture: Sharp): Promise<Impression> {
  const { data, info } = await picture
    .resize(32, 32)
    .toColourspace('srgb')
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return impressionOfPixels(data, info.width, info.height);
}

/** The part of the crop that drew the most attention in its first frame, in px of the source. */
function squareOf({ width, cropOffsetLeft = 0, cropOffsetTop = 0 }: OutputInfo, crop: Crop) {
  const side = Math.min(crop.width, crop.height);
  const scale = side / width;
  return region({
    x: crop.x + Math.min(Math.round(-cropOffsetLeft * scale), crop.width - side),
    y: crop.y + Math.min(Math.round(-cropOffsetTop * scale), crop.height - side),
    width: side,
    height: side,
  });
}
