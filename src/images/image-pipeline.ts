import { CodedError, type ErrorDetails } from '../errors.js';
import type { Crop, MasterFormat, Reduction, RenditionFormat } from '../model/formats.js';

/** A picture made safe: decoded and encoded here, upright, sRGB, square, without any metadata. */
export interface Master {
  bytes: Buffer;
  /** SHA-256 of the bytes, in hex. */
  sha256: string;
  format: MasterFormat;
  /** In px, both. */
  width: number;
  height: number;
  animated: boolean;
  /** Undefined if nothing had to give way. */
  reduced?: Reduction;
  /** Base64 of the ThumbHash, https://evanw.github.io/thumbhash/. */
  thumbhash: string;
  /** The dominant colour as `#rrggbb`. */
  color: string;
}

/** A picture drawn here: RGBA, sRGB, 8 bits each, every pixel either opaque or nothing. */
export interface Pixels {
  rgba: Buffer;
  /** In px, both. */
  width: number;
  height: number;
}

/** How many pictures are being worked on, and how many wait for that. */
export interface ImageTurns {
  active: number;
  waiting: number;
}

/** What stands in one line: uploads, renditions, and those renditions that take long. */
export type ImageLine = 'masters' | 'renditions' | 'avif';

/** How a master is to be shown. */
export interface Rendering {
  /** Edge in px. */
  size: number;
  /** WebP and GIF keep an animation unless it has too many bytes, the others show its first frame; JPEG puts white where nothing is. */
  format: RenditionFormat;
  /** The first frame of an animation only. */
  still?: boolean | undefined;
  /** Enlarge a master that is smaller. */
  exact?: boolean | undefined;
}

/** A rendition took longer than `IMAGE_TIMEOUT_MS`, and probably would again. */
export class TooSlow extends CodedError {
  constructor(details?: ErrorDetails) {
    super('busy', 'The picture takes too long to make. Try another size.', details);
  }
}

/** Turns uploaded bytes into masters: the port, and its injection token. */
export abstract class ImagePipeline {
  /**
   * @param path a file with the uploaded bytes, which nobody has looked at yet
   * @param crop the part to keep; without it, the square that draws the most attention
   * @throws CodedError `unsupported_image` not one of the allowed formats, whatever its name says; `image_too_large` more
   * pixels or frames than allowed, decided from the header, too costly to decode, or a master of too many bytes even at a lower
   * quality and without motion; `unreadable_image` damaged; `invalid_crop` not within the picture; `busy` the queue is full
   */
  abstract makeMaster(path: string, crop?: Crop): Promise<Master>;

  /**
   * @param master bytes that `makeMaster` gave
   * @param group whose picture it is: groups share the turns fairly, however many renditions one of them waits for
   * @throws CodedError `busy` the queue is full
   * @throws TooSlow it takes too long
   */
  abstract render(master: Buffer, rendering: Rendering, group?: string): Promise<Buffer>;

  /**
   * @param format JPEG puts white where nothing is
   * @throws CodedError `busy` the queue is full
   */
  abstract encode(pixels: Pixels, format: RenditionFormat): Promise<Buffer>;

  /** The lines that pictures stand in, as they are now. */
  abstract turns(): Record<ImageLine, ImageTurns>;
}
