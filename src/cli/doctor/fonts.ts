import { openPipeline } from '../../images/open-pipeline.js';
import { PLACEHOLDER_KINDS } from '../../model/placeholder-kinds.js';
import { Fonts } from '../../placeholders/fonts.js';
import { Placeholders } from '../../placeholders/placeholders.js';
import { causeOf } from '../command.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

/** A letter of each script that Visage has a font for. */
const LETTERS = {
  Latin: 'A',
  Cyrillic: 'Я',
  Greek: 'Ω',
  Arabic: 'ع',
  Hebrew: 'ש',
  Devanagari: 'क',
  Thai: 'ก',
  Georgian: 'ნ',
  Armenian: 'Ա',
  Tamil: 'க',
  Bengali: 'ক',
  Ethiopic: 'አ',
  Chinese: '漢',
  Japanese: 'さ',
  Korean: '한',
  emoji: '🙂',
} as const;

/** Loads a font for each script, and draws a placeholder of each kind. */
export async function checkFonts({ settings }: Subject): Promise<Verdict[]> {
  const fonts = new Fonts();
  const failures: Verdict[] = [];
  for (const [script, letter] of Object.entries(LETTERS)) {
    try {
      await fonts.outline(letter);
    } catch (error) {
      const advice = 'Build or install Visage anew: its fonts are in dist/placeholders/assets';
      failures.push(failure(`no font for ${script}: ${causeOf(error)}`, advice));
    }
  }
  if (failures.length > 0) return failures;
  const placeholders = new Placeholders(openPipeline(settings), settings);
  for (const kind of PLACEHOLDER_KINDS)
    await placeholders.make(placeholders.resolve({ kind, seed: 'alice' }), 64, 'png');
  const scripts = Object.keys(LETTERS).join(', ');
  return [ok(`letters of ${scripts}; drew a placeholder of each of ${PLACEHOLDER_KINDS.length} kinds`)];
}
