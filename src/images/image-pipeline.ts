import { CodedError, type ErrorDetails } from '../errors.js';
import type { Framing, MasterFormat, Reduction, RenditionFormat } from '../model/formats.js';
import type { SheetLayout } from '../model/sheet.js';

/**
 * A picture that is safe to serve: Visage encoded it anew, upright, square, as sRGB, and without any
 * metadata.
 */
export interface Master {
  bytes: Buffer;
  /** SHA-256 of the bytes, in hex. */
  sha256: string;
  format: MasterFormat;
  /** In px, as is the height. */
  width: number;
  height: number;
  animated: boolean;
  /** Undefined if nothing had to give way. */
  reduced?: Reduction;
  /** Base64 of the ThumbHash, https://evanw.github.io/thumbhash/. */
  thumbhash: string;
  /** The dominant color as `#rrggbb`. */
  color: string;
}

/**
 * A generated picture in sRGB, with 8 bits for each channel. Every pixel is either opaque or fully
 * transparent.
 */
export interface Pixels {
  rgba: Buffer;
  /** In px, as is the height. */
  width: number;
  height: number;
}

/** How many pictures are being processed, and how many are waiting. */
export interface ImageTurns {
  active: number;
  waiting: number;
}

/** Pictures that wait in one line: uploads, renditions, and the renditions that take long. */
export type ImageLine = 'masters' | 'renditions' | 'avif';

/** How to show a master. */
export interface Rendering {
  /** Edge in px. */
  size: number;
  /**
   * WebP and GIF keep an animation unless it has too many bytes. Other formats show its first frame. JPEG has
   * white in place of transparency.
   */
  format: RenditionFormat;
  /** Show only the first frame of an animation. */
  still?: boolean | undefined;
  /** Enlarge a master that is smaller. By default, no rendition is larger than its master. */
  exact?: boolean | undefined;
}

/** A rendition took longer than `IMAGE_TIMEOUT_MS`, and probably would again. */
export class TooSlow extends CodedError {
  constructor(details?: ErrorDetails) {
    super('busy', 'The picture takes too long to make. Try another size.', details);
  }
}

/** Some tiles of a sheet cannot be decoded. */
export class UnreadableTiles extends Error {
  /** @param failures why, by the index of the tile */
  constructor(readonly failures: ReadonlyMap<number, unknown>) {
    super(`${failures.size} tiles of a sheet cannot be decoded`);
  }
}

/** Sheets of more px take half a second or more. They are composed one after the other. */
export const COSTLY_SHEET = 4_000_000;

/** `compose` may refuse sheets that have more px than this together: only eight costly ones wait. */
export const MOST_SHEET_PIXELS = 10 * COSTLY_SHEET;

/** Turns uploads into masters, and masters into renditions: the port, and its injection token. */
export abstract class ImagePipeline {
  /**
   * Makes a master of an upload.
   * @param path a file with the uploaded bytes, which need not be a picture
   * @param framing how to turn it, and the part to keep. The default is the square that draws the most
   * attention.
   * @throws CodedError `unsupported_image` not one of the allowed formats, whatever its name says;
   * `image_too_large` the header states more pixels or frames than allowed, decoding takes too long, or the
   * master has too many bytes even at a lower quality and without motion; `unreadable_image` damaged;
   * `invalid_crop` not within the picture; `invalid_rotate` it is an animation; `busy` the queue is full
   */
  abstract makeMaster(path: string, framing?: Framing): Promise<Master>;

  /**
   * Makes a rendition of a master.
   * @param master bytes that `makeMaster` gave
   * @param group the avatar that it belongs to. Groups share the turns fairly, however many renditions one of
   * them waits for.
   * @throws CodedError `busy` the queue is full
   * @throws TooSlow it takes too long
   */
  abstract render(master: Buffer, rendering: Rendering, group?: string): Promise<Buffer>;

  /**
   * Encodes a generated picture.
   * @param format JPEG has white in place of transparency
   * @throws CodedError `busy` the queue is full
   * @throws TooSlow it takes too long
   */
  abstract encode(pixels: Pixels, format: RenditionFormat): Promise<Buffer>;

  /**
   * Draws pictures into one WebP.
   * @param tiles encoded pictures, each of which is made as large as a tile; undefined leaves the tile
   * transparent. An animation shows its first frame.
   * @throws CodedError `busy` the queue is full
   * @throws TooSlow it takes too long
   * @throws UnreadableTiles
   */
  abstract compose(tiles: readonly (Buffer | undefined)[], layout: SheetLayout): Promise<Buffer>;

  /** Names the encoder of `compose`. Under the same name, the same tiles give the same bytes. */
  abstract get composer(): string;

  /**
   * Resolves when no picture is being processed and none waits: at once if that is so now. Work that nobody
   * waits for starts then, one task at a time, and takes nothing from anybody. Whoever comes meanwhile has to
   * wait for that one task at most.
   */
  abstract whenIdle(): Promise<void>;

  /** The lines as they are now. */
  abstract turns(): Record<ImageLine, ImageTurns>;
}
