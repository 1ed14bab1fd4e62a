import { chosenInitials, initialsOf, isRightToLeft } from '../../src/placeholders/initials.js';
import { fc } from '../support/properties.js';

/** In the order they are read in. */
const NAMES: readonly (readonly [what: string, name: string, initials: string])[] = [
  ['Latin', 'Ada Lovelace', 'A L'],
  ['Latin, in small letters', 'ada lovelace', 'A L'],
  ['Latin, more than two words', 'Johann Sebastian Bach', 'J B'],
  ['Latin, one word', 'Plato', 'P'],
  ['Latin, hyphenated', 'Jean-Luc Picard', 'J P'],
  ['Latin, one hyphenated word', 'Jean-Luc', 'J L'],
  ['Latin, last name first', 'Curie, Marie', 'C M'],
  ['Latin, in decomposed form', 'E\u0301lodie N\u0303andu\u0301', 'É Ñ'],
  ['Latin with an accent that has no composed form', 'm\u0308a', 'M\u0308'],
  ['Latin whose capital is two letters', 'ßa', 'S'],
  ['Latin whose capital has an apostrophe before it', 'ŉa', 'N'],
  ['Latin, a letter of two that has a title case', 'ǆenan Ǌegoš', 'ǅ ǋ'],
  ['Latin, a ligature', 'ﬁona ﬄo', 'F F'],
  ['Latin after an ʻokina', 'ʻiolani', 'I'],
  ['Latin after an apostrophe', '’t Hooft', 'T H'],
  ['Latin of full width', 'ａｄａ', 'Ａ'],
  ['Latin, mathematical', '𝓪𝓭𝓪 𝕝𝕠𝕧𝕖', 'A L'],
  ['Latin, in circles', 'ⓐⓓⓐ Ⓛⓞⓥⓔ', 'A L'],
  ['Latin, letters that are symbols', 'ℬℴ𝒷™ №', 'B'],
  ['Latin around half an emoji', '\uD83DBob\uDE00 M\uD83D', 'B M'],
  ['Latin between characters that are not assigned', '\u0378Bob\u{1FFFE} \u0379', 'B'],
  ['Latin with a word that is invisible', 'Bob \u3164', 'B'],
  ['Latin, only in brackets', '(Bob)', 'B'],
  ['Latin, only in brackets, among other signs', '((Bob)) .', 'B'],
  ['Latin, in brackets that do not end', '(Bob', 'B'],
  ['Latin before brackets', 'Bob (they)', 'B'],
  ['emoji before brackets', '🦄 (she/her)', '🦄'],
  ['Latin before brackets of full width', 'Bob Miles（they）', 'B M'],
  ['Latin, all of it in brackets', '(Ada) [Lovelace]', 'A L'],
  ['Latin in quotes and brackets', '«ada» (she) lovelace', 'A L'],
  ['Cyrillic', 'юлия щербакова', 'Ю Щ'],
  ['Greek', 'άννα ψαρρού', 'Ά Ψ'],
  ['Arabic', 'محمد علي', 'م ع'],
  ['Arabic and Latin', 'محمد Smith', 'م S'],
  ['Arabic that begins with a stretch', 'ـمحمد', 'م'],
  ['Arabic, forms that are joined', 'ﻣﺤﻤﺪ', 'م'],
  ['Arabic, a phrase in one letter', 'ﷺ', 'ص و'],
  ['Arabic with marks', 'مُحَمَّد', 'مُ'],
  ['Arabic with a mark of direction before it', '\u200Fمحمد علي', 'م ع'],
  ['Hebrew', 'שרה לוי', 'ש ל'],
  ['Chinese', '王小明', '王'],
  ['Chinese beyond the first plane', '𠮷野家', '𠮷'],
  ['Japanese', '山田 太郎', '山 太'],
  ['Japanese with an ideographic space', '山田\u3000太郎', '山 太'],
  ['Kana', 'さくら', 'さ'],
  ['Hangul', '김 민수', '김 민'],
  ['Hangul in single letters', '\u1100\u1175\u11B7', '김'],
  ['Devanagari', 'किरण', 'कि'],
  ['Devanagari, conjuncts', 'श्री क्षत्रिय', 'श्री क्ष'],
  ['Thai', 'ชัยวัฒน์', 'ชั'],
  ['Thai, a vowel written first', 'เอก', 'อ'],
  ['Tamil', 'தமிழ் கௌரி', 'த கௌ'],
  ['Tamil, conjuncts', 'ஸ்ரீதர் க்ஷமா', 'ஸ்ரீ க்ஷ'],
  ['Tamil, a vowel sign written first', 'கெவின்', 'கெ'],
  ['Bengali, conjuncts', 'শ্রী ক্ষিতি', 'শ্রী ক্ষি'],
  ['Bengali, a vowel sign written first', 'কিরণ', 'কি'],
  ['Armenian', 'արամ խաչատրյան', 'Ա Խ'],
  ['Armenian, a ligature', 'և', 'Ե'],
  ['Ethiopic', 'አበበ ቢቂላ', 'አ ቢ'],
  ['Georgian, which has no capitals in names', 'ნინო', 'ნ'],
  ['digits', '007', '0'],
  ['digits and letters', 'R2-D2', 'R D'],
  ['Arabic digits', '٣ ٤', '٣ ٤'],
  ['emoji', '🦄', '🦄'],
  ['emoji after a name', 'Ada 🌸', 'A'],
  ['emoji around a name', '🌸 Ada Lovelace 🌸', 'A L'],
  ['emoji of several', '👩‍💻🦄', '👩‍💻'],
  ['emoji, a family', '👨‍👩‍👧‍👦', '👨‍👩‍👧‍👦'],
  ['emoji, a skin tone', '👍🏽', '👍🏽'],
  ['emoji, a flag', '🇩🇪🇫🇷', '🇩🇪'],
  ['emoji, a region', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ['emoji, a key', '1️⃣', '1️⃣'],
  ['an e-mail address', 'jane.doe@example.com', 'J D'],
  ['an id', 'user_42', 'U 4'],
  ['a UUID', '0199a1b2-0c3d-7e4f-8a5b-6c7d8e9f0a1b', ''],
  ['an MD5', 'd41d8cd98f00b204e9800998ecf8427e', ''],
  ['nothing', '', ''],
  ['only an invisible letter', '\u3164', ''],
  ['half an emoji', '\uD83D', ''],
  ['a character that is not assigned', '\u0378', ''],
  ['a stop', '.', ''],
  ['spaces', ' \t\n', ''],
  ['no letters', '-- (…) !', ''],
];

describe('initials', () => {
  it.each(NAMES)('of %s: %s', (_, name, initials) => {
    expect(initialsOf(name).join(' ')).toBe(initials);
  });

  it('of a very long name are those of its first 256 code units', () => {
    expect(initialsOf(`${'Ada '.repeat(63)}Love${' and so on'.repeat(10_000)}`)).toEqual(['A', 'L']);
    expect(initialsOf(`${'Ada '.repeat(63)}Lov🦄`)).toEqual(['A', 'L']);
    expect(initialsOf('x'.repeat(100_000))).toEqual(['X']);
    expect(initialsOf(`a${'\u0301'.repeat(10_000)}`)).toEqual([`Á${'\u0301'.repeat(254)}`]);
  });

  it('that were chosen are kept, the first two of them', () => {
    expect(chosenInitials('jd')).toEqual(['J', 'D']);
    expect(chosenInitials('J.D.S.')).toEqual(['J', 'D']);
    expect(chosenInitials('🦄x')).toEqual(['🦄', 'X']);
    expect(chosenInitials(' . ')).toEqual([]);
  });

  it('run from right to left if their first letter does', () => {
    expect(['Ada', '山', '12', '٣ ٤', '🦄', ''].filter((name) => isRightToLeft(initialsOf(name)))).toEqual(
      [],
    );
    expect(isRightToLeft(initialsOf('שרה לוי'))).toBe(true);
    expect(isRightToLeft(initialsOf('محمد Smith'))).toBe(true);
    expect(isRightToLeft(initialsOf('Smith محمد'))).toBe(false);
    expect(isRightToLeft(initialsOf('5 שרה'))).toBe(true);
    expect(isRightToLeft(initialsOf('🦄 שרה'))).toBe(true);
    expect(isRightToLeft(chosenInitials('1ש'))).toBe(true);
  });

  it('are at most two graphemes, of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (text) => {
        for (const initials of [initialsOf(text), chosenInitials(text)]) {
          expect(initials.length).toBeLessThanOrEqual(2);
          expect(initials.every((initial) => initial !== '')).toBe(true);
        }
      }),
    );
  });
});
