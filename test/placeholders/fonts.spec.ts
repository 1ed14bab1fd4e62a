import { Fonts } from '../../src/placeholders/fonts.js';

const fonts = new Fonts();

/** Where the outline of a letter is among those of a grapheme, from left to right. */
const LETTERS: readonly (readonly [what: string, grapheme: string, letter: string, place: number])[] = [
  ['Devanagari, a vowel sign written first', 'कि', 'क', 1],
  ['Bengali, a vowel sign written first', 'কি', 'ক', 1],
  ['Bengali, a vowel sign of two parts', 'কো', 'ক', 1],
  ['Tamil, a vowel sign written first', 'கெ', 'க', 1],
  ['Tamil, a vowel sign of two parts', 'கௌ', 'க', 1],
  ['Thai, a vowel sign above', 'ชั', 'ช', 0],
  ['Latin, marks on both sides', 'Ẹ́', 'Ẹ', 0],
];

/** Drawn as one, and not as its first character. */
const LIGATURES: readonly (readonly [what: string, grapheme: string])[] = [
  ['a conjunct of Devanagari', 'क्ष'],
  ['a conjunct of Bengali', 'ক্ষ'],
  ['a conjunct of Tamil', 'க்ஷ'],
  ['another conjunct of Tamil', 'ஸ்ரீ'],
  ['a flag', '🇩🇪'],
  ['a flag of a region', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ['a flag of several emoji', '🏳️‍🌈'],
  ['a profession', '👩‍💻'],
  ['a family', '👨‍👩‍👧‍👦'],
  ['a keycap', '1️⃣'],
];

describe('the outline', () => {
  it.each(LETTERS)('has every part in its place: %s', async (_, grapheme, letter, place) => {
    const [base] = (await fonts.outline(letter)).glyphs;
    const { glyphs } = await fonts.outline(grapheme);
    const paths = [...glyphs].sort((one, other) => one.x - other.x).map(({ path }) => path);
    expect(glyphs.length).toBeGreaterThan(1);
    expect(paths.indexOf(base?.path ?? '')).toBe(place);
  });

  it.each(LIGATURES)('of %s is one', async (_, grapheme) => {
    const [base = ''] = grapheme;
    const [joined, alone] = [await fonts.outline(grapheme), fonts.drawable(base)];
    expect(fonts.drawable(grapheme)).toBe(grapheme);
    expect(joined.glyphs).toHaveLength(1);
    if (alone !== undefined)
      expect((await fonts.outline(alone)).glyphs[0]?.path).not.toBe(joined.glyphs[0]?.path);
  });

  it('of what no font has is refused, and named by its code points only', async () => {
    expect(fonts.drawable('ᚠ')).toBeUndefined();
    await expect(fonts.outline('ᚠ')).rejects.toThrow('No font has an outline for U+16a0.');
  });
});
