import { sha256Hex } from '../model/sha256.js';

export const SCHEMES = ['light', 'dark'] as const;
/** The kind of page that a picture is made for. */
export type Scheme = (typeof SCHEMES)[number];

/** Each `#rrggbb`. */
export interface Colors {
  background: string;
  foreground: string;
}

// Fifteen hues, 24 degrees apart in OKLCH. Lightness and chroma of background and foreground: light (0.88,
// 0.075) and (0.40, 0.12), dark (0.36, 0.085) and (0.90, 0.06).
const PALETTE: Record<Scheme, readonly (readonly [background: string, foreground: string])[]> = {
  light: [
    ['#ffc4cc', '#7a2439'],
    ['#ffc6b7', '#7b2815'],
    ['#fecca7', '#753200'],
    ['#f0d39f', '#673e00'],
    ['#dddba2', '#514a00'],
    ['#c7e2ae', '#315300'],
    ['#b1e7c1', '#005927'],
    ['#a1e8d7', '#005b48'],
    ['#9be7ed', '#005863'],
    ['#a2e2fe', '#005278'],
    ['#b2dcff', '#004985'],
    ['#c8d5ff', '#353f87'],
    ['#ddceff', '#51357f'],
    ['#efc8f5', '#642d6d'],
    ['#fdc4e2', '#722655'],
  ],
  dark: [
    ['#612733', '#ffced5'],
    ['#622a1d', '#ffd1c4'],
    ['#5d3001', '#fdd5b8'],
    ['#533700', '#f2dbb1'],
    ['#433f00', '#e3e1b3'],
    ['#2e450e', '#d1e7bd'],
    ['#094a27', '#c0eacc'],
    ['#004b3d', '#b4ecde'],
    ['#004950', '#afebef'],
    ['#00455f', '#b4e7fd'],
    ['#133f68', '#c1e2ff'],
    ['#303869', '#d1dcff'],
    ['#433263', '#e2d6ff'],
    ['#512c57', '#f1d1f6'],
    ['#5c2846', '#fdcfe6'],
  ],
};

const GREY: Record<Scheme, Colors> = {
  light: { background: '#dfe3e8', foreground: '#5d6673' },
  dark: { background: '#343a42', foreground: '#a4aebb' },
};

/**
 * Picks colors by the seed: the same for the same seed, with a foreground that is readable on the background.
 */
export function colorsOf(seed: string, scheme: Scheme): Colors {
  const shades = PALETTE[scheme];
  const index = Number.parseInt(sha256Hex(seed).slice(0, 8), 16) % shades.length;
  const [background, foreground] = shades[index] ?? ['#ffffff', '#000000'];
  return { background, foreground };
}

/** The colors for somebody of whom nothing is known. */
export function greyOf(scheme: Scheme): Colors {
  return GREY[scheme];
}

/**
 * Picks black or white, whichever is easier to read on a background. The contrast is at least 4.58 to 1.
 * @param background as `#rrggbb`
 */
export function colorsOn(background: string): Colors {
  const [white, black] = ['#ffffff', '#000000'];
  const foreground = contrast(background, white) >= contrast(background, black) ? white : black;
  return { background, foreground };
}

/**
 * The contrast of two colors, each `#rrggbb`: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
 * @returns from 1 to 21
 */
export function contrast(one: string, other: string): number {
  const [darker, lighter] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (lighter + 0.05) / (darker + 0.05);
}

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((start) => {
    const share = Number.parseInt(color.slice(start, start + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
