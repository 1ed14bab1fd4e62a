import { UsageError } from './command.js';

/** Where pictures are and which part of their place is the id, such as `users/{id}/avatar.*`. */
export interface Pattern {
  /** What every place begins with: all before the first `*` or `{id}`. */
  prefix: string;
  /** The parts between slashes: a text that stands for itself, or what a name has to match. */
  segments: readonly (string | RegExp)[];
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
  const whole = compile(text);
  return {
    prefix: text.slice(0, text.search(/\*|\{id\}/)),
    segments: text.split('/').map((part) => (/\*|\{id\}/.test(part) ? compile(part) : part)),
    idOf: (place) => whole.exec(place)?.groups?.['id'],
  };
}

/** Before the id, a `*` takes as little as it can; the id, and a `*` after it, as much as they can. */
function compile(text: string): RegExp {
  let isBefore = text.includes(ID);
  const source = text
    .split(/(\*|\{id\})/)
    .map((part) => {
      if (part === '*') return isBefore ? '[^/]*?' : '[^/]*';
      if (part !== ID) return part.replace(/[$()*+.?[\\\]^{|}/-]/g, '\\$&');
      isBefore = false;
      return '(?<id>[^/]+)';
    })
    .join('');
  return new RegExp(`^${source}$`, 's');
}
