import { SCOPES, type Scope } from '../model/access.js';

/** A key of API_KEYS. Visage knows only its sum. */
export interface ApiKey {
  /** For logs and metrics. No two keys have the same. */
  name: string;
  scopes: readonly Scope[];
  /** SHA-256 of the key, in hex. */
  sum: string;
  /** How the ids begin that it may be used for; empty: it may be used for all. */
  prefix: string;
}

/** A name and scopes, a sum, and a prefix of ids. */
const NAMED =
  /^([a-z0-9][a-z0-9._-]{0,31}):([a-z+]+):([0-9a-f]{64})(?::([A-Za-z0-9_-][A-Za-z0-9._~@|:+=-]{0,79}))?$/;
const BARE = /^[0-9a-f]{64}$/;

/** Nothing of an item is repeated: somebody may have written the key itself. */
const FORMS =
  'has to be a SHA-256 sum of 64 hex digits in lower case, or <name>:<scopes>:<sum>, or <name>:<scopes>:<sum>:<prefix of ids>. ' +
  'A name has up to 32 of a-z 0-9 . _ - and starts with a letter or digit';

/**
 * What is wrong with the items of API_KEYS, without repeating any of them.
 * @returns undefined if nothing is
 */
export function faultOfApiKeys(items: readonly unknown[]): string | undefined {
  const keys: ApiKey[] = [];
  for (const [index, item] of items.entries()) {
    const key = keyOf(String(item), index);
    if (typeof key === 'string') return `item ${index + 1} ${key}`;
    const twin = keys.findIndex(({ sum, name }) => sum === key.sum || name === key.name);
    if (twin !== -1 && !(isBare(item) && isBare(items[twin]))) {
      return `items ${twin + 1} and ${index + 1} have the same ${keys[twin]?.sum === key.sum ? 'sum' : 'name'}: give each key its own`;
    }
    keys.push(key);
  }
  return undefined;
}

/** @param items what `faultOfApiKeys` finds nothing wrong with */
export function readApiKeys(items: readonly string[]): ApiKey[] {
  return items.map(keyOf).filter((key) => typeof key !== 'string');
}

/** @returns a text that says what is wrong with it, if it is none */
function keyOf(item: string, index: number): ApiKey | string {
  if (isBare(item)) return { name: `key${index + 1}`, scopes: SCOPES, sum: item, prefix: '' };
  const [, name, words, sum, prefix = ''] = NAMED.exec(item) ?? [];
  if (name === undefined || words === undefined || sum === undefined) return FORMS;
  const scopes = words.split('+');
  const isEachKnown = scopes.every((word): word is Scope => SCOPES.some((scope) => scope === word));
  const known = SCOPES.filter((scope) => scopes.includes(scope));
  if (isEachKnown && known.length === scopes.length) return { name, scopes: known, sum, prefix };
  return `has other scopes than ${SCOPES.join(', ')}: write each that it needs once, with + between, such as read+write`;
}

function isBare(item: unknown): boolean {
  return BARE.test(String(item));
}
