/** Only so much of a text is read, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 256;

const MAX_INITIALS = 2;

const GRAPHEMES = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Needs no segmenter, which takes longer than all the rest. */
const ASCII = /^[ -~]*$/;
const LETTER = /^\p{L}/u;
const CAPITAL = /^\p{Lu}/u;
/** Some letters are invisible, like U+3164. */
const LETTER_OR_DIGIT = /(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{N}]/u;
const EMOJI = /^(?:\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3)/u;
const RIGHT_TO_LEFT =
  /^[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Adlam}]/u;

/** A UUID, or the hash of an e-mail address: its letters say nothing. */
const RANDOM = /^[0-9a-f-]{32,}$/i;

/** Characters that only control layout, except for those that join letters and emoji. */
const LAYOUT_CONTROLS = /[\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF]/gu;
/**
 * Letters in a style or a form of their own, some of which have no capitals: 𝓐, ℬ, Ⓐ, and those of Arabic
 * that are joined.
 */
const STYLED =
  /[\u24B6-\u24E9]|(?=[\p{L}\p{N}])[\u2100-\u214F\uFB50-\uFDFF\uFE70-\uFEFF\u{1D400}-\u{1D7FF}]/gu;
const BRACKETED = /\([^()]*\)|\[[^[\]]*\]|（[^（）]*）/g;
const SPACES = /[\s\p{Cc}]+/u;
/** Between the parts of an id or of an e-mail address. */
const SEPARATORS = /[\s\p{Cc}._+|~:=-]+/u;

/**
 * Vowels of Thai and Lao that are written before the consonant, but spoken after it. The consonant is the
 * initial.
 */
const VOWEL_WRITTEN_FIRST = /^[\u0E40-\u0E44\u0EC0-\u0EC4]/;
/** Like the ʻokina, or the stretch of Arabic. */
const MODIFIER = /^\p{Lm}/u;

/** Letters of Tamil that are two graphemes to Unicode: க்ஷ, and ஸ்ரீ in its two spellings. */
const TAMIL_LETTER = /^(?:\u0B95\u0BCD\u0BB7|[\u0BB6\u0BB8]\u0BCD\u0BB0\u0BC0)/;

/** Letters that look different as a capital (Ǆ) and as an initial (ǅ). */
const TITLE_FORMS = ['\u01C5', '\u01C8', '\u01CB', '\u01F2'];

/** Georgian uses capitals only in headings. */
const NO_CAPITALS = /^\p{Script=Georgian}/u;

/**
 * Finds the initials of a name: the first letter or digit of its first and of its last word, in the order
 * they are read in. A name without letters and digits gives its first emoji.
 * @param name a person's name, an e-mail address, or an id
 * @returns none, one or two graphemes
 */
export function initialsOf(name: string): string[] {
  const whole = cleaned(name).trim();
  const outside = whole.replace(BRACKETED, ' ').trim();
  const text = LETTER_OR_DIGIT.test(outside) || graphemesOf(outside).some(isEmoji) ? outside : whole;
  if (RANDOM.test(text)) return [];
  const words = wordsOf(text).map(graphemesOf);
  const initials = words.map(initialOf).filter((initial) => initial !== undefined);
  if (initials.length > MAX_INITIALS) initials.splice(1, initials.length - MAX_INITIALS);
  return initials.length > 0 ? initials : words.flat().filter(isEmoji).slice(0, 1);
}

/** Takes initials as somebody has chosen them: the first two graphemes that are letters, digits or emoji. */
export function chosenInitials(text: string): string[] {
  return graphemesOf(cleaned(text)).filter(isShown).slice(0, MAX_INITIALS).map(capital);
}

/** Tells whether initials run from right to left. The first letter among them decides: rule P2 of UAX #9. */
export function isRightToLeft(initials: readonly string[]): boolean {
  return RIGHT_TO_LEFT.test(initials.find((initial) => LETTER.test(initial)) ?? '');
}

function cleaned(text: string): string {
  const plain = text.slice(0, MAX_TEXT_LENGTH).replace(STYLED, (letter) => letter.normalize('NFKC'));
  return plain.normalize('NFC').replace(LAYOUT_CONTROLS, '');
}

/** Splits at spaces. A text without any is split like an id or an address. */
function wordsOf(text: string): string[] {
  const words = text.split(SPACES).filter((word) => LETTER_OR_DIGIT.test(word));
  return words.length > 1 ? words : (text.split('@').find((part) => part !== '') ?? '').split(SEPARATORS);
}

function graphemesOf(text: string): string[] {
  if (ASCII.test(text)) return Array.from(text);
  const graphemes: string[] = [];
  for (const { segment } of GRAPHEMES.segment(text)) {
    const last = graphemes.at(-1) ?? '';
    if (TAMIL_LETTER.test(last + segment) && !TAMIL_LETTER.test(last))
      graphemes.splice(-1, 1, last + segment);
    else graphemes.push(segment);
  }
  return graphemes;
}

function initialOf(word: readonly string[]): string | undefined {
  const letters = word.filter((grapheme) => LETTER_OR_DIGIT.test(grapheme) && !isEmoji(grapheme));
  const first =
    letters.find((grapheme) => !VOWEL_WRITTEN_FIRST.test(grapheme) && !MODIFIER.test(grapheme)) ?? letters[0];
  return first === undefined ? undefined : capital(first);
}

/** The capital of one letter can be two letters (ß: SS), or an apostrophe and a letter (ŉ: ʼN). */
function capital(grapheme: string): string {
  if (NO_CAPITALS.test(grapheme)) return grapheme;
  const whole = grapheme.toUpperCase();
  const titleForm = TITLE_FORMS.find((form) => form.toUpperCase() === whole);
  if (titleForm !== undefined) return titleForm;
  const capitals = graphemesOf(whole);
  return capitals.find((one) => CAPITAL.test(one)) ?? capitals[0] ?? grapheme;
}

function isShown(grapheme: string): boolean {
  return LETTER_OR_DIGIT.test(grapheme) || isEmoji(grapheme);
}

function isEmoji(grapheme: string): boolean {
  return EMOJI.test(grapheme);
}
