import type { Version } from '../avatars/manifest.js';
import { MOVING_FORMATS, RENDITION_FORMATS, type RenditionFormat } from '../images/image-pipeline.js';

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
  /** At a size that renditions are not kept at: made of the master for as long as it is in memory. */
  exact?: true;
}

const NAME = /^(?:master|([1-9]\d{0,3})(-still)?)\.([a-z]+)$/;

/** Whether a picture in this format can move; undefined: in whatever is negotiated. */
export function mayMove(format: RenditionFormat | undefined): boolean {
  return format === undefined || MOVING_FORMATS.includes(format);
}

/**
 * The rendition that serves a request best: its size goes up to the next of `sizes` unless it has to be exact, and where that
 * would be no smaller than the master in the master's own format, it is the master.
 * @param sizes ascending, in px
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
  if (wanted === version.width && format === version.master && !still) return { format };
  if (exact && (wanted > version.width || !sizes.includes(wanted))) {
    return { size: wanted, format, ...(still && { still }), exact };
  }
  const size = sizes.find((one) => one >= wanted) ?? sizes.at(-1) ?? wanted;
  return { size, format, ...(still && { still }) };
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
