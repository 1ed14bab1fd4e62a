import { UsageError } from './command.js';

/** Where pictures are and which part of their place is the id, such as `users/{id}/avatar.*`. */
export interface Pattern {
  /** What every place begins with: all before the first `*` or `{id}`. */
  prefix: string;
  /** The parts between slashes: a text that stands for itself, or what tells whether a name matches. */
  segments: readonly (string | ((name: string) => boolean))[];
  /**
   * The id in a place, taken as it is. Where several fit, it is the longest.
   * @returns undefined if the place does not match as a whole
   */
  idOf: (place: string) => string | undefined;
}

const ID = '{id}';

/**
 * @param text has `{id}` once, which stands for one or more characters; `*` stands for any number of them.
 * Neither spans a slash, and everything else stands for itself
 * @throws UsageError
 */
export function parsePattern(text: string): Pattern {
  if (text.split(ID).length !== 2) {
    throw new UsageError(`The pattern ${text} has to have ${ID} exactly once, as in users/${ID}/avatar.*`);
  }
  if (text.includes('**')) {
    throw new UsageError(
      `The pattern ${text} has **, which is not known. A * stays within one folder: write */* for two of them.`,
    );
  }
  const segments = text.split('/');
  const at = segments.findIndex((segment) => segment.includes(ID));
  const matches = segments.map(matcherOf);
  return {
    prefix: text.slice(0, text.search(/\*|\{id\}/)),
    segments: segments.map((segment, i) => (/\*|\{id\}/.test(segment) ? (matches[i] ?? segment) : segment)),
    idOf: (place) => {
      const names = place.split('/');
      if (names.length !== segments.length) return undefined;
      if (!matches.every((isMatch, i) => isMatch(names[i] ?? ''))) return undefined;
      return idIn(names[at] ?? '', segments[at] ?? '');
    },
  };
}

/** Tells whether a name matches a segment of a pattern. */
function matcherOf(segment: string): (name: string) => boolean {
  if (segment.includes(ID)) return (name) => idIn(name, segment) !== undefined;
  const pieces = segment.split('*');
  const last = pieces.pop() ?? '';
  return (name) => {
    if (pieces.length === 0) return name === last;
    const end = endOf(name, pieces);
    return end !== undefined && name.endsWith(last) && end + last.length <= name.length;
  };
}

/**
 * The longest id in a name: what is before it is as short as it can be, and what is after it, too. Not by a
 * regular expression, which takes for ever if a pattern has many `*`.
 */
function idIn(name: string, segment: string): string | undefined {
  const [before = '', after = ''] = segment.split(ID);
  const begin = endOf(name, before.split('*'));
  const rest = endOf(reversed(name), reversed(after).split('*'));
  if (begin === undefined || rest === undefined || begin + rest >= name.length) return undefined;
  return name.slice(begin, name.length - rest);
}

/** The end of the shortest beginning of a name that is the first piece, and then has the others in order. */
function endOf(name: string, [first = '', ...others]: readonly string[]): number | undefined {
  if (!name.startsWith(first)) return undefined;
  let end = first.length;
  for (const piece of others) {
    const found = name.indexOf(piece, end);
    if (found < 0) return undefined;
    end = found + piece.length;
  }
  return end;
}

/** By UTF-16 units. What is reversed twice is as it was. */
function reversed(text: string): string {
  let result = '';
  for (let i = text.length - 1; i >= 0; i--) result += text.charAt(i);
  return result;
}
