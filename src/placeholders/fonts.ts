import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Blob, Buffer, Face, Font, Variation, shape } from 'harfbuzzjs';
import decompress from 'woff2-encoder/decompress';
import type { Glyphs } from './drawing.js';

/** The outline of a grapheme, in thousandths of the font's size. y grows upwards from the baseline. */
export interface Outline {
  glyphs: { path: string; x: number; y: number }[];
  /** The distance to the next grapheme. */
  advance: number;
  /** The box around its ink. */
  left: number;
  right: number;
  bottom: number;
  top: number;
}

/** One of the files of a family. */
interface FontFile {
  path: string;
  /** First and last code points. */
  ranges: readonly (readonly [first: number, last: number])[];
}

// The first family that has a character draws it. Noto Sans SC has the characters of Japanese and traditional Chinese too.
const FAMILIES = [
  'noto-sans',
  'noto-sans-arabic',
  'noto-sans-hebrew',
  'noto-sans-thai',
  'noto-emoji',
  'noto-sans-sc',
  'noto-sans-kr',
] as const;

const EM = 1000;
const WEIGHT = 600;

const require = createRequire(import.meta.url);

/** The fonts that Visage brings along, the same on every machine. A file is read when it is first needed, and stays in memory. */
export class Fonts implements Glyphs {
  private readonly files = FAMILIES.flatMap(filesOf);
  private readonly opened = new Map<string, Promise<Font>>();

  drawable(grapheme: string): string | undefined {
    // Without its accent, its skin tone or the emoji joined to it, a grapheme still tells who is meant.
    const [base = ''] = grapheme;
    return [grapheme, base].find((part) => this.filesWith(part).length > 0);
  }

  /** @param graphemes that are drawable, from left to right */
  async outlines(graphemes: readonly string[]): Promise<Outline[]> {
    const found = await Promise.all(graphemes.map((grapheme) => this.outline(grapheme)));
    return found.filter((outline) => outline !== undefined);
  }

  /** @returns undefined if no font has the grapheme */
  async outline(grapheme: string): Promise<Outline | undefined> {
    for (const file of this.filesWith(grapheme)) {
      const outline = outlineIn(await this.open(file), grapheme);
      if (outline) return outline;
    }
    const [base = ''] = grapheme;
    return base.length < grapheme.length ? this.outline(base) : undefined;
  }

  private filesWith(grapheme: string): FontFile[] {
    const codePoints = Array.from(grapheme, (character) => character.codePointAt(0) ?? 0);
    return this.files.filter((file) => covers(file, codePoints));
  }

  private open({ path }: FontFile): Promise<Font> {
    const known = this.opened.get(path);
    if (known) return known;
    const opening = openFont(path);
    this.opened.set(path, opening);
    opening.catch(() => this.opened.delete(path));
    return opening;
  }
}

function filesOf(family: string): FontFile[] {
  const root = `@fontsource-variable/${family}`;
  const subsets = require(`${root}/unicode.json`) as Record<string, string>;
  return Object.entries(subsets).map(([subset, ranges]) => ({
    path: require.resolve(`${root}/files/${family}-${subset.replace(/[[\]]/g, '')}-wght-normal.woff2`),
    ranges: ranges.split(',').map((range) => {
      const [first = '', last = first] = range.replace('U+', '').split('-');
      return [Number.parseInt(first, 16), Number.parseInt(last, 16)] as const;
    }),
  }));
}

function covers({ ranges }: FontFile, codePoints: readonly number[]): boolean {
  return codePoints.every((point) => ranges.some(([first, last]) => first <= point && point <= last));
}

async function openFont(path: string): Promise<Font> {
  const font = new Font(new Face(new Blob(await decompress(await readFile(path)))));
  font.setScale(EM, EM);
  font.setVariations([new Variation('wght', WEIGHT)]);
  return font;
}

function outlineIn(font: Font, grapheme: string): Outline | undefined {
  const buffer = new Buffer();
  buffer.addText(grapheme);
  buffer.guessSegmentProperties();
  shape(font, buffer);
  const outline: Outline = {
    glyphs: [],
    advance: 0,
    left: Infinity,
    right: -Infinity,
    bottom: Infinity,
    top: -Infinity,
  };
  const positions = buffer.getGlyphPositions();
  for (const [index, { codepoint: glyph }] of buffer.getGlyphInfos().entries()) {
    if (glyph === 0) return undefined;
    const { xAdvance, xOffset, yOffset } = positions[index] ?? { xAdvance: 0, xOffset: 0, yOffset: 0 };
    const [x, y] = [outline.advance + xOffset, yOffset];
    outline.advance += xAdvance;
    const ink = font.glyphExtents(glyph);
    if (!ink || ink.width === 0) continue;
    outline.glyphs.push({ path: font.glyphToPath(glyph), x, y });
    outline.left = Math.min(outline.left, x + ink.xBearing);
    outline.right = Math.max(outline.right, x + ink.xBearing + ink.width);
    outline.top = Math.max(outline.top, y + ink.yBearing);
    outline.bottom = Math.min(outline.bottom, y + ink.yBearing + ink.height);
  }
  return outline.glyphs.length > 0 ? outline : undefined;
}
