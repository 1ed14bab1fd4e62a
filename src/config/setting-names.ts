import { Constants } from './constants.js';
import { OLDER_NAMES, SETTINGS, variableOf } from './settings.js';

const VARIABLES = [...SETTINGS.map(variableOf), ...Object.values<string>(OLDER_NAMES)];
const FIRST_WORDS = VARIABLES.map(firstWord);

/** The first words that several settings share. In YAML each is a section. */
const SECTIONS = new Set(FIRST_WORDS.filter((word, i) => FIRST_WORDS.indexOf(word) !== i));

export function isSetting(variable: string): boolean {
  return VARIABLES.includes(variable);
}

/**
 * The value that a constant has, if a name stands for one. Many of them were settings once.
 * @param name in the form of a variable; only its letters and digits count
 */
export function constantOf(name: string): number | undefined {
  const constants = Object.entries(new Constants()) as [string, number][];
  return constants.find(([property]) => lettersOf(property) === lettersOf(name))?.[1];
}

/**
 * Whether every key of a section should be a setting. The media server whose file Visage can read has a
 * `cache` section with keys of its own.
 */
export function isOwnSection(variable: string): boolean {
  const section = firstWord(variable);
  return section !== 'CACHE' && section !== variable && SECTIONS.has(section);
}

/** A setting of the section of ours that a name stands for. @returns undefined if it stands for none */
export function settingInSection(name: string): string | undefined {
  return SECTIONS.has(name) ? VARIABLES.find((variable) => variable.startsWith(`${name}_`)) : undefined;
}

/**
 * The setting that somebody meant by a name that is none. A name that begins like ours may have one wrong
 * letter in four, any other one in eight: the environment and the YAML file are shared with other programs.
 * @param name in the form of a variable; case, underscores and a missing unit do not count
 * @returns undefined if no setting is close enough
 */
export function nearestSetting(name: string): string | undefined {
  const lettersForOneEdit = FIRST_WORDS.includes(firstWord(name.toUpperCase())) ? 4 : 8;
  let nearest: { variable: string; edits: number } | undefined;
  for (const variable of VARIABLES) {
    const edits = Math.min(editsBetween(name, variable), editsBetween(name, withoutUnit(variable)));
    const allowed = Math.floor(
      Math.max(lettersOf(name).length, lettersOf(variable).length) / lettersForOneEdit,
    );
    if (edits <= allowed && edits < (nearest?.edits ?? Infinity)) nearest = { variable, edits };
  }
  return nearest?.variable;
}

/** How the YAML file writes a setting: STORAGE_S3_BUCKET is `storage.s3.bucket`. */
export function yamlKeyOf(variable: string): string {
  const key = variable.toLowerCase();
  const [, backend, rest] = /^storage_(local|s3)_(.+)$/.exec(key) ?? [];
  if (backend !== undefined) return `storage.${backend}.${String(rest)}`;
  return SECTIONS.has(firstWord(variable)) ? key.replace('_', '.') : key;
}

/**
 * The same in the sections of a misspelt key, if they fit.
 * @param path of the misspelt key: ['storage_s3', 'bukcet'] and STORAGE_S3_BUCKET give `storage_s3.bucket`
 */
export function yamlKeyBeside(path: readonly string[], variable: string): string {
  const sections = path.slice(0, -1);
  const prefix = sections.map((section) => `${section}_`).join('');
  const fits = variable.startsWith(prefix.toUpperCase());
  return fits ? [...sections, variable.slice(prefix.length).toLowerCase()].join('.') : yamlKeyOf(variable);
}

function firstWord(variable: string): string {
  return variable.split('_', 1)[0] ?? '';
}

function lettersOf(name: string): string {
  return name.replace(/[_.-]/g, '').toUpperCase();
}

function withoutUnit(variable: string): string {
  return variable.replace(/_(MS|BYTES)$/, '');
}

/** The Levenshtein distance of the letters of two names. */
function editsBetween(a: string, b: string): number {
  const [from, to] = [lettersOf(a), lettersOf(b)];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const replaced = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
