/**
 * The longest edge of a WebP in px: https://developers.google.com/speed/webp/docs/riff_container#image_size.
 */
const MAX_EDGE = 16_383;

/** A grid of square tiles, row by row. It depends on nothing but the number and the size of the tiles. */
export interface SheetLayout {
  /** The edge of a tile in px. */
  readonly size: number;
  readonly columns: number;
  readonly rows: number;
  /** In px, as is the height. */
  readonly width: number;
  readonly height: number;
}

/**
 * Lays tiles out in a grid that is as square as possible.
 * @param count at least 1
 * @param size the edge of a tile in px
 */
export function layOut(count: number, size: number): SheetLayout {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  return { size, columns, rows, width: columns * size, height: rows * size };
}

/** The upper left corner of a tile in px. @param index from 0 */
export function positionOf({ size, columns }: SheetLayout, index: number): { x: number; y: number } {
  return { x: (index % columns) * size, y: Math.floor(index / columns) * size };
}

/** Whether a sheet is small enough for WebP, and for `maxPixels`. */
export function isWithin({ width, height }: SheetLayout, maxPixels: number): boolean {
  return width <= MAX_EDGE && height <= MAX_EDGE && width * height <= maxPixels;
}

/** How many tiles of a size fit at most. @returns 0 if not even one does */
export function mostTiles(size: number, maxPixels: number): number {
  let count = Math.floor(Math.min(maxPixels, MAX_EDGE ** 2) / size ** 2);
  // The last row of the grid may be empty in part, and counts all the same.
  while (count > 0 && !isWithin(layOut(count, size), maxPixels)) count--;
  return count;
}
