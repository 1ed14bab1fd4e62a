import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Blob, Face } from 'harfbuzzjs';
import subsetFont from 'subset-font';
import { fontFiles } from '../../src/placeholders/font-files.js';
import { Fonts } from '../../src/placeholders/fonts.js';
import { runs, sliceOf } from '../support/programme.js';
import { fc } from '../support/properties.js';

const require = createRequire(import.meta.url);
const { devDependencies } = require('../../package.json') as { devDependencies: Record<string, string> };
const PACKAGES = Object.keys(devDependencies).filter((name) => name.startsWith('@fontsource-variable/'));

const SHOWN = /^(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{N}\p{Extended_Pictographic}]/u;

const fonts = new Fonts();

/** The letters, digits and emoji of a package that it tells browsers to take from it. */
async function charactersOf(name: string): Promise<string[]> {
  const subsets = require(`${name}/unicode.json`) as Record<string, string>;
  const family = name.replace('@fontsource-variable/', '');
  const found = new Set<number>();
  for (const [subset, ranges] of Object.entries(subsets)) {
    const file = require.resolve(`${name}/files/${family}-${subset.replace(/[[\]]/g, '')}-wght-normal.woff2`);
    const font = await subsetFont(readFileSync(file), undefined, {
      keepAllGlyphs: true,
      targetFormat: 'truetype',
    });
    const claimed = ranges.split(',').map((range) => {
      const [first = '', last = first] = range.replace('U+', '').split('-');
      return [Number.parseInt(first, 16), Number.parseInt(last, 16)] as const;
    });
    for (const point of new Face(new Blob(font)).collectUnicodes()) {
      if (claimed.some(([first, last]) => first <= point && point <= last)) found.add(point);
    }
  }
  return Array.from(found, (point) => String.fromCodePoint(point)).filter((character) =>
    SHOWN.test(character),
  );
}

describe('the fonts and styles that are shipped', () => {
  it('are what `npm run assets` makes', () => {
    const { stdout, stderr, status } = spawnSync('node', ['tools/make-assets.mjs', '--check'], {
      encoding: 'utf8',
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
  });

  // The test above holds all of them to their packages.
  const some = sliceOf(PACKAGES, (name) => PACKAGES.indexOf(name) % 4 === 0);
  it.each(some)('have an outline for every letter, digit and emoji of %s', async (name) => {
    const missing: string[] = [];
    const characters = await charactersOf(name);
    for (const character of characters) {
      await fonts.outline(character).catch(() => missing.push(character));
    }
    expect(characters.length).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });

  it('have an outline for whatever they call drawable', async () => {
    const points = fontFiles().flatMap(({ bounds }) =>
      bounds.flatMap((bound, index) => (index % 2 === 0 ? [bound, (bounds[index + 1] ?? bound) - 1] : [])),
    );
    const anyText = fc.array(fc.constantFrom(...points), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(anyText, async (text) => {
        const grapheme = String.fromCodePoint(...text);
        fc.pre(SHOWN.test(grapheme));
        const drawable = fonts.drawable(grapheme);
        if (drawable !== undefined) await fonts.outline(drawable);
      }),
      { numRuns: runs(5000) },
    );
  });

  it('come with their licence, and with the copyright line of each', () => {
    const licence = readFileSync('src/placeholders/assets/fonts/OFL.txt', 'utf8');
    expect(licence).toContain('SIL OPEN FONT LICENSE Version 1.1');
    for (const name of PACKAGES) {
      const family = name.replace('@fontsource-variable/', '');
      expect(licence).toMatch(new RegExp(`^${family}: .*(Copyright|\\(c\\)) \\d{4}`, 'm'));
    }
  });
});
