import {
  MOVING_FORMATS,
  type MasterFormat,
  RENDITION_FORMATS,
  RENDITION_SIZES,
  type RenditionFormat,
} from './formats.js';
import { pictureKey } from './keys.js';
import type { Version } from './manifest.js';

/** What a reader wants of a version. Whatever is left out is as in the master. */
export interface RenditionRequest {
  /** Edge in px. */
  size?: number | undefined;
  format?: RenditionFormat | undefined;
  /** The first frame of an animation only. */
  still?: boolean | undefined;
  /** The edge is `size`, also between the sizes and above the master's. */
  exact?: boolean | undefined;
}

/** A master if there is no size, otherwise a picture made from it at one size in one format. */
export interface Rendition {
  size?: number;
  format: RenditionFormat;
  /** The first frame only, in a format that could show the animation. */
  still?: true;
  /** At exactly that size, even above the master's. */
  exact?: true;
  /** The store does not keep it: it has one of thousands of sizes, or its version is about to be deleted. */
  unstored?: true;
}

/** What renditions of a version depend on. */
export type RenditionSource = Pick<Version, 'master' | 'width' | 'animated'>;

/** Names one picture: a rendition of a version of an avatar. */
export interface PictureRef {
  id: string;
  version: string;
  /** The format of the version's master. */
  master: MasterFormat;
  rendition: Rendition;
}

const NAME = /^(?:master|([1-9]\d{0,3})(-still)?)\.([a-z]+)$/;

/** Whether a picture in this format can move; undefined: the format is negotiated. */
export function mayMove(format: RenditionFormat | undefined): boolean {
  return format === undefined || MOVING_FORMATS.includes(format);
}

/**
 * Chooses the rendition that serves a request best. Unless the size has to be exact, it goes up to the next
 * of `sizes`, and above the last of them to the largest possible. In the master's own format, the master
 * itself serves if the rendition would be no smaller.
 * @param request.size within `RENDITION_SIZES` unless it is exact
 * @param sizes ascending, in px
 * @returns one that `canBeMade`
 */
export function chooseRendition(
  version: RenditionSource,
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
    return { size: wanted, format, ...(still && { still }), exact, unstored: true };
  }
  const largest = largestOf(version);
  const size = Math.min(sizes.find((one) => one >= wanted) ?? largest, largest);
  if (isMaster(Math.min(size, version.width))) return { format };
  return { size, format, ...(still && { still }) };
}

/**
 * The one name of a picture that could have several: a version that does not move has no other first frame,
 * and no rendition is larger than its master. Under any other name, readers could fill the store with copies.
 * The name does not depend on the settings.
 * @param rendition as `isRenditionOf` accepts it
 * @param sizes ascending, in px: others are not stored
 */
export function canonicalRendition(
  version: RenditionSource,
  { size, format, still }: Rendition,
  sizes: readonly number[],
): Rendition {
  if (size === undefined) return { format };
  if (size >= version.width) return chooseRendition(version, { format, still }, sizes);
  const isStored = sizes.includes(size) || size === largestOf(version);
  return { size, format, ...(still && version.animated && { still }), ...(!isStored && { unstored: true }) };
}

/** The edge in px of the largest rendition: the master's, within what readers may ask for. */
function largestOf({ width }: RenditionSource): number {
  return Math.min(Math.max(width, RENDITION_SIZES.min), RENDITION_SIZES.max);
}

/**
 * Whether every version has such a rendition. This does not depend on the settings: URLs that were given out
 * under earlier settings keep working.
 */
export function canBeMade({ size, exact }: Rendition): boolean {
  return size === undefined || exact === true || isRenditionSize(size);
}

/** Whether a version of the manifest has such a rendition: its master exists in one format only. */
export function isRenditionOf({ master }: Pick<Version, 'master'>, rendition: Rendition): boolean {
  return canBeMade(rendition) && (rendition.size !== undefined || rendition.format === master);
}

/** Reads a size that readers may ask for, in px. @returns undefined if it is none */
export function parseRenditionSize(text: unknown): number | undefined {
  const size = typeof text === 'string' && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
  return isRenditionSize(size) ? size : undefined;
}

/** The next of the sizes, or the wanted one above the last of them. All in px. @param sizes ascending */
export function nextSize(wanted: number, sizes: readonly number[]): number {
  return sizes.find((one) => one >= wanted) ?? wanted;
}

/** Whether a value is a size that readers may ask for. */
export function isRenditionSize(size: unknown): size is number {
  const { min, max } = RENDITION_SIZES;
  return Number.isInteger(size) && (size as number) >= min && (size as number) <= max;
}

/** The last part of a rendition's key and of its immutable URL. Exact renditions have no such URL. */
export function renditionName({ size, format, still, exact }: Rendition): string {
  return `${size ?? 'master'}${still ? '-still' : ''}${exact ? '-exact' : ''}.${format}`;
}

/**
 * Parses the name of a rendition that can have an immutable URL.
 * @returns undefined if no rendition has this name
 */
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

/** The key of a picture. Exact ones are not stored; their keys only identify them in memory. */
export function keyOfPicture({ id, version, rendition }: Omit<PictureRef, 'master'>): string {
  return pictureKey(id, version, renditionName(rendition));
}
