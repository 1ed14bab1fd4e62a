import { readFileSync } from 'node:fs';

/** One of the font files in `assets/fonts`. */
export interface FontFile {
  name: string;
  /** In turn the first code point that the file has, and the first that it does not have any more. */
  bounds: readonly number[];
}

/** Joins letters and emoji, or picks a variant of them, but is never drawn itself. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;

/** Reads which characters each font file has. */
export function fontFiles(): FontFile[] {
  const index = readFileSync(new URL('assets/fonts/index.json', import.meta.url), 'utf8');
  return Object.entries(JSON.parse(index) as Record<string, string>).map(([name, ranges]) => ({
    name,
    bounds: ranges.split(',').flatMap((range) => {
      const [first = '', last = first] = range.split('-');
      return [Number.parseInt(first, 16), Number.parseInt(last, 16) + 1];
    }),
  }));
}

/** Finds the file that draws a grapheme: the first that has every visible part of it. */
export function fileWith(grapheme: string, files: readonly FontFile[]): FontFile | undefined {
  const points = Array.from(grapheme)
    .filter((character) => !INVISIBLE.test(character))
    .map((character) => character.codePointAt(0) ?? 0);
  if (points.length === 0) return undefined;
  return files.find(({ bounds }) => points.every((point) => isWithin(bounds, point)));
}

/** Within a range, the number of bounds up to a point is odd. */
function isWithin(bounds: readonly number[], point: number): boolean {
  let [start, end] = [0, bounds.length];
  while (start < end) {
    const middle = (start + end) >> 1;
    if ((bounds[middle] ?? Infinity) <= point) start = middle + 1;
    else end = middle;
  }
  return start % 2 === 1;
}
