import { openPipeline } from '../../images/open-pipeline.js';
import { PLACEHOLDER_KINDS } from '../../model/placeholder-kinds.js';
import { Fonts } from '../../placeholders/fonts.js';
import { Placeholders } from '../../placeholders/placeholders.js';
import { type Subject, type Verdict, failure, ok } from './verdict.js';

/** A letter of each script that Visage has a font for. */
const LETTERS = {
  Latin: 'A',
  Cyrillic: 'Я',
  Greek: 'Ω',
  Arabic: 'ع',
  Hebrew: 'ש',
  Thai: 'ก',
  Chinese: '漢',
  Korean: '한',
  emoji: '🙂',
} as const;

/** Loads a font for each script, and draws a placeholder of each kind. */
export async function checkFonts({ settings }: Subject): Promise<Verdict[]> {
  const fonts = new Fonts();
  const missing: string[] = [];
  for (const [script, letter] of Object.entries(LETTERS)) {
    if (!(await fonts.outline(letter))) missing.push(script);
  }
  if (missing.length > 0)
    return [
      failure(`no font for ${missing.join(', ')}`, 'Install Visage anew by npm ci: it brings its fonts'),
    ];
  const placeholders = new Placeholders(openPipeline(settings), settings);
  for (const kind of PLACEHOLDER_KINDS)
    await placeholders.make(placeholders.resolve({ kind, seed: 'alice' }), 64, 'png');
  const scripts = Object.keys(LETTERS).join(', ');
  return [ok(`letters of ${scripts}; drew a placeholder of each of ${PLACEHOLDER_KINDS.length} kinds`)];
}
