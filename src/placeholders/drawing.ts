import type { Character, PlaceholderKind } from '../model/placeholder-kinds.js';
import { sha256Hex } from '../model/sha256.js';
import { type Colors, type Scheme, colorsOf, colorsOn, greyOf } from './colors.js';
import { chosenInitials, initialsOf, isRightToLeft } from './initials.js';

/** The picture to draw for an avatar that has none. */
export interface Placeholder {
  kind: PlaceholderKind;
  /** Makes the picture differ from others of its kind: an id, or the hash of an e-mail address. */
  seed: string;
  scheme?: Scheme | undefined;
  /**
   * A person's name, for the initials. The default is the seed. A seed that says nothing gives a head, and
   * such a name a pattern.
   */
  name?: string | undefined;
  /** Shown instead of the initials of the name. */
  initials?: string | undefined;
  /** The background as `#rrggbb`, instead of the seed's own. */
  color?: string | undefined;
}

/** What decides how a picture looks, and nothing else. */
export type Shape =
  | { kind: 'blank' }
  | { kind: 'color'; background: string }
  | { kind: 'mp'; colors: Colors }
  /** Graphemes from left to right. */
  | { kind: 'initials'; graphemes: readonly string[]; colors: Colors }
  | { kind: 'identicon'; seed: string; colors: Colors }
  | { kind: Exclude<Character, 'identicon'>; seed: string; background: string };

/** A picture that is ready to be drawn in any size and format. */
export type Drawing = Shape & {
  /** The same for pictures that look the same. Fit for a file's name; tells no name or id. */
  key: string;
};

/** Picks the part of a grapheme that the fonts have. */
export interface Glyphs {
  /** @returns the grapheme, the grapheme without its marks, or undefined if no font has either */
  drawable(grapheme: string): string | undefined;
}

const COLOR = /^#[0-9a-f]{6}$/i;

/**
 * Decides how a placeholder looks. What its kind ignores makes no difference.
 * @throws RangeError the color is not `#rrggbb`
 */
export function drawingOf(placeholder: Placeholder, glyphs: Glyphs): Drawing {
  const { color } = placeholder;
  if (color !== undefined && !COLOR.test(color)) throw new RangeError(`The color ${color} is not #rrggbb.`);
  const shape = shapeOf({ ...placeholder, color: color?.toLowerCase() }, glyphs);
  return { ...shape, key: `${shape.kind}-${sha256Hex(JSON.stringify(shape)).slice(0, 16)}` };
}

/** The background of a placeholder on a light page, as `#rrggbb`. @returns undefined: it is transparent */
export function backgroundOf(kind: PlaceholderKind, seed: string): string | undefined {
  if (kind === 'blank') return undefined;
  return (kind === 'mp' ? greyOf('light') : colorsOf(seed, 'light')).background;
}

function shapeOf({ kind, seed, scheme = 'light', color, ...texts }: Placeholder, glyphs: Glyphs): Shape {
  const colors = color === undefined ? colorsOf(seed, scheme) : colorsOn(color);
  const { background } = colors;
  switch (kind) {
    case 'blank':
      return { kind };
    case 'color':
      return { kind, background };
    case 'mp':
      return { kind, colors: color === undefined ? greyOf(scheme) : colors };
    case 'initials':
      return initials({ seed, ...texts }, colors, glyphs);
    case 'identicon':
      return { kind, seed, colors };
    default:
      return { kind, seed, background };
  }
}

function initials(
  { seed, name = '', initials: chosen = '' }: Pick<Placeholder, 'seed' | 'name' | 'initials'>,
  colors: Colors,
  glyphs: Glyphs,
): Shape {
  const [given] = [name, chosen].map((text) => text.trim()).filter((text) => text !== '');
  for (const wanted of given === undefined
    ? [initialsOf(seed)]
    : [chosenInitials(chosen), initialsOf(name)]) {
    const graphemes = wanted
      .map((grapheme) => glyphs.drawable(grapheme))
      .filter((grapheme) => grapheme !== undefined);
    if (graphemes.length === 0) continue;
    return {
      kind: 'initials',
      graphemes: isRightToLeft(graphemes) ? graphemes.reverse() : graphemes,
      colors,
    };
  }
  if (given === undefined) return { kind: 'mp', colors };
  return { kind: 'identicon', seed: given.normalize('NFC'), colors };
}
