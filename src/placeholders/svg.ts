import type { Colors } from './colors.js';
import type { Outline } from './fonts.js';

/** The edge of every drawing, in its own units. */
const EDGE = 100;

/** The font's size as a share of the edge, for one and for two graphemes. */
const FONT_SIZES = [0.56, 0.46] as const;
/** Two graphemes that have to be smaller than this would not be legible at 32 px. */
const SMALLEST_PAIR = 0.27;
/** The corners of such a box are within a circle. */
const MAX_WIDTH = 78;
const MAX_HEIGHT = 56;

/**
 * The gap between two graphemes, in thousandths of the font's size. Without it, Arabic letters would touch as
 * if they were joined.
 */
const GAP = 70;

/**
 * Draws a colored square.
 * @param content SVG to draw on it
 * @returns SVG
 */
export function plain(background: string, content = ''): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${EDGE} ${EDGE}"><rect width="${EDGE}" height="${EDGE}" fill="${background}"/>${content}</svg>`;
}

/**
 * Draws head and shoulders of somebody.
 * @returns SVG
 */
export function drawMysteryPerson(colors: Colors): string {
  return plain(
    colors.background,
    `<g fill="${colors.foreground}"><circle cx="50" cy="39" r="18"/><path d="M14 100c0-24 15-37 36-37s36 13 36 37z"/></g>`,
  );
}

/**
 * Draws one or two graphemes in the middle of a colored square. If two would be too small, as some in Tamil,
 * only the first is drawn.
 * @param outlines at least one, from left to right
 * @returns SVG
 */
export function drawInitials(outlines: readonly Outline[], colors: Colors): string {
  let pen = 0;
  let inkEnd = -Infinity;
  const placed = outlines.map((outline) => {
    const x = Math.max(pen, inkEnd + GAP - outline.left);
    pen = x + outline.advance;
    inkEnd = x + outline.right;
    return { outline, x };
  });
  const left = Math.min(...placed.map(({ outline, x }) => x + outline.left));
  const right = Math.max(...placed.map(({ outline, x }) => x + outline.right));
  const bottom = Math.min(...outlines.map((outline) => outline.bottom));
  const top = Math.max(...outlines.map((outline) => outline.top));
  const size = (FONT_SIZES[outlines.length - 1] ?? FONT_SIZES[1]) * EDGE;
  const scale = Math.min(size / 1000, MAX_WIDTH / (right - left), MAX_HEIGHT / (top - bottom));
  if (outlines.length > 1 && scale * 1000 < SMALLEST_PAIR * EDGE)
    return drawInitials(outlines.slice(0, 1), colors);
  const paths = placed.flatMap(({ outline, x }) =>
    outline.glyphs.map(
      (glyph) => `<path transform="translate(${x + glyph.x} ${glyph.y})" d="${glyph.path}"/>`,
    ),
  );
  // Centered by the ink, since scripts do not share a baseline.
  const [x, y] = [EDGE / 2 - (scale * (left + right)) / 2, EDGE / 2 + (scale * (top + bottom)) / 2];
  return plain(
    colors.background,
    `<g fill="${colors.foreground}" transform="translate(${x} ${y}) scale(${scale} ${-scale})">${paths.join('')}</g>`,
  );
}
