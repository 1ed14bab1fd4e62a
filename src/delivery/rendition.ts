import type { Version } from '../avatars/manifest.js';
import { RENDITION_FORMATS, type RenditionFormat } from '../images/image-pipeline.js';

/** What somebody wants to see of a version; what is left open is as the master has it. */
export interface RenditionRequest {
  /** Edge in px. */
  size?: number | undefined;
  format?: RenditionFormat | undefined;
  /** The first frame of an animation only. */
  still?: boolean | undefined;
}

/** A master (without a size), or a master at one size in one format. */
export interface Rendition {
  size?: number;
  format: RenditionFormat;
  /** The first frame of what would move in this format. */
  still?: true;
}

const NAME = /^(?:master|([1-9]\d{0,3})(-still)?)\.([a-z]+)$/;

/** Formats in which an animation moves. */
const MOVING: readonly RenditionFormat[] = ['webp', 'gif'];

/**
 * The rendition that serves a request best: its size goes up to the next of `sizes`, and where that would be no smaller than
 * the master in the master's own format, it is the master.
 * @param sizes ascending, in px
 */
export function chooseRendition(
  version: Version,
  request: RenditionRequest,
  sizes: readonly number[],
): Rendition {
  const format = request.format ?? version.master;
  const still = request.still === true && version.animated && MOVING.includes(format);
  const wanted = Math.min(request.size ?? version.width, version.width);
  if (wanted === version.width && format === version.master && !still) return { format };
  const size = sizes.find((one) => one >= wanted) ?? sizes.at(-1) ?? wanted;
  return { size, format, ...(still && { still }) };
}

/** The last part of a rendition's key and of its immutable URL. */
export function renditionName({ size, format, still }: Rendition): string {
  return `${size ?? 'master'}${still ? '-still' : ''}.${format}`;
}

/** @returns undefined where no rendition is named so */
export function parseRenditionName(name: string): Rendition | undefined {
  const [, size, still, extension] = NAME.exec(name) ?? [];
  const format = RENDITION_FORMATS.find((known) => known === extension);
  if (format === undefined || (still !== undefined && !MOVING.includes(format))) return undefined;
  if (size === undefined) return { format };
  return { size: Number(size), format, ...(still !== undefined && { still: true as const }) };
}
