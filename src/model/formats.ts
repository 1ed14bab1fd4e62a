/** Formats of pictures that the settings can allow for uploads. */
export const SOURCE_FORMATS = ['jpeg', 'png', 'webp', 'gif', 'avif'] as const;
export type SourceFormat = (typeof SOURCE_FORMATS)[number];

/** Formats of masters; each is also the extension of the master's key. */
export const MASTER_FORMATS = ['jpeg', 'webp'] as const;
export type MasterFormat = (typeof MASTER_FORMATS)[number];

/** Formats that a rendition can have; each is also the extension of its key. */
export const RENDITION_FORMATS = ['jpeg', 'png', 'webp', 'avif', 'gif'] as const;
export type RenditionFormat = (typeof RENDITION_FORMATS)[number];

/**
 * Edges in px that a rendition can have. Settings do not narrow them, since an immutable URL works forever.
 */
export const RENDITION_SIZES = { min: 16, max: 1024 } as const;

/** Formats in which an animation moves. */
export const MOVING_FORMATS: readonly RenditionFormat[] = ['webp', 'gif'];

/**
 * What a master may have given up to stay within its limit of bytes: some quality, or all frames but the
 * first.
 */
export const REDUCTIONS = ['quality', 'still'] as const;
export type Reduction = (typeof REDUCTIONS)[number];

/** Degrees by which an upright picture can be turned clockwise. */
export const ROTATIONS = [90, 180, 270] as const;
export type Rotation = (typeof ROTATIONS)[number];

/**
 * A rectangle in px of the upright source picture, after its rotation. An animation counts as upright as it
 * is stored.
 */
export interface Crop {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** What of an upload its master shows: the picture is made upright, then rotated, then cropped. */
export interface Framing {
  rotate?: Rotation | undefined;
  crop?: Crop | undefined;
}
