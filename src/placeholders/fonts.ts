import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';
import { Blob, Buffer, Face, Font, shape } from 'harfbuzzjs';
import type { Glyphs } from './drawing.js';
import { type FontFile, fileWith, fontFiles } from './font-files.js';

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

const EM = 1000;

const decompress = promisify(brotliDecompress);

/**
 * The fonts that Visage brings along, the same on every machine. A file is read when it is first needed, and
 * stays in memory.
 */
export class Fonts implements Glyphs {
  private readonly files = fontFiles();
  private readonly opened = new Map<FontFile, Promise<Font>>();

  drawable(grapheme: string): string | undefined {
    // Without its accent, its skin tone or the emoji joined to it, a grapheme still tells who is meant.
    const [base = ''] = grapheme;
    const [plainBase = ''] = base.normalize('NFD');
    return [grapheme, base, plainBase].find((part) => fileWith(part, this.files) !== undefined);
  }

  /**
   * @param grapheme that is drawable
   * @throws Error no font has it
   */
  async outline(grapheme: string): Promise<Outline> {
    const file = fileWith(grapheme, this.files);
    const outline = file && outlineIn(await this.open(file), grapheme);
    if (!outline) throw new Error(`No font has an outline for ${codePointsOf(grapheme)}.`);
    return outline;
  }

  private open(file: FontFile): Promise<Font> {
    const known = this.opened.get(file);
    if (known) return known;
    const opening = openFont(file);
    this.opened.set(file, opening);
    opening.catch(() => this.opened.delete(file));
    return opening;
  }
}

async function openFont({ name }: FontFile): Promise<Font> {
  const packed = await readFile(new URL(`assets/fonts/${name}.ttf.br`, import.meta.url));
  const font = new Font(new Face(new Blob(await decompress(packed))));
  font.setScale(EM, EM);
  return font;
}

/** @returns undefined if a part is missing, or nothing is visible */
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

function codePointsOf(text: string): string {
  return Array.from(text, (character) => `U+${character.codePointAt(0)?.toString(16) ?? ''}`).join(' ');
}
