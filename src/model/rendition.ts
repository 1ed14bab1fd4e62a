import {
  MOVING_FORMATS,
  type MasterFormat,
  RENDITION_FORMATS,
  RENDITION_SIZES,
  type RenditionFormat,
} from './formats.js';
import { pictureKey } from './keys.js';
import type { Version } from './manifest.js';

/** What somebody wants to see of a version; what is left open is as the master has it. */
export interface RenditionRequest {
  /** Edge in px. */
  size?: number | undefined;
  format?: RenditionFormat | undefined;
  /** The first frame of an animation only. */
  still?: boolean | undefined;
  /** The edge is `size`, also between the sizes and above the master's. */
  exact?: boolean | undefined;
}

/** A master (without a size), or a master at one size in one format. */
export interface Rendition {
  size?: number;
  format: RenditionFormat;
  /** The first frame of what would move in this format. */
  still?: true;
  /** At exactly that size, above the master's too: made of the master for as long as it is in memory. */
  exact?: true;
}

/** Names one picture: a rendition of a version of an avatar. */
export interface PictureRef {
  id: string;
  version: string;
  rendition: Rendition;
}

const NAME = /^(?:master|([1-9]\d{0,3})(-still)?)\.([a-z]+)$/;

/** Whether a picture in this format can move; undefined: in whatever is negotiated. */
export function mayMove(format: RenditionFormat | undefined): boolean {
  return format === undefined || MOVING_FORMATS.includes(format);
}

/**
 * The rendition that serves a request best: its size goes up to the next of `sizes`, above the last of them to the largest that
 * there can be, unless it has to be exact. If that is no smaller than the master in the master's own format, it is the master.
 * @param request.size within `RENDITION_SIZES` unless it is exact
 * @param sizes ascending, in px
 * @returns one that `canBeMade`
 */
export function chooseRendition(
  version: Version,
  request: RenditionRequest,
  sizes: readonly number[],
): Rendition {
  const format = request.format ?? version.master;
  const still = request.still === true && version.animated && MOVING_FORMATS.includes(format);
  const { size: asked = version.width, exact = false } = request;
  const wanted = exact ? asked : Math.min(asked, version.width);
  const isMaster = (size: number) => format === version.master && !still && size === version.width;
  if (isMaster(wanted)) return { format };
  if (exact && (wanted > version.width || !sizes.includes(wanted))) {
    return { size: wanted, format, ...(still && { still }), exact };
  }
  const size = sizes.find((one) => one >= wanted) ?? Math.min(version.width, RENDITION_SIZES.max);
  if (isMaster(Math.min(size, version.width))) return { format };
  return { size, format, ...(still && { still }) };
}

/**
 * Whether there is such a rendition of every version. The settings have no say in that: URLs that were handed out under others
 * stay good.
 */
export function canBeMade({ size, exact }: Rendition): boolean {
  return size === undefined || exact === true || isRenditionSize(size);
}

/** Whether it is a size that may be asked for. */
export function isRenditionSize(size: unknown): size is number {
  const { min, max } = RENDITION_SIZES;
  return Number.isInteger(size) && (size as number) >= min && (size as number) <= max;
}

/** The last part of a rendition's key, and of its immutable URL where it has one: an exact one has none. */
export function renditionName({ size, format, still, exact }: Rendition): string {
  return `${size ?? 'master'}${still ? '-still' : ''}${exact ? '-exact' : ''}.${format}`;
}

/** @returns undefined where no rendition is named so */
export function parseRenditionName(name: string): Rendition | undefined {
  const [, size, still, extension] = NAME.exec(name) ?? [];
  const format = RENDITION_FORMATS.find((known) => known === extension);
  if (format === undefined || (still !== undefined && !MOVING_FORMATS.includes(format))) return undefined;
  if (size === undefined) return { format };
  return { size: Number(size), format, ...(still !== undefined && { still: true as const }) };
}

/** The key of a version's master. */
export function masterKey(
  id: string,
  { version, master }: { version: string; master: MasterFormat },
): string {
  return pictureKey(id, version, renditionName({ format: master }));
}

/** The key of a picture. Exact ones are not stored; theirs only tells them apart in memory. */
export function keyOfPicture({ id, version, rendition }: PictureRef): string {
  return pictureKey(id, version, renditionName(rendition));
}
