import { readFileSync } from 'node:fs';
import { parse as parseDotenv } from 'dotenv';
import { type Document, LineCounter, parseDocument, visit } from 'yaml';

export type Variables = Record<string, string | undefined>;

/**
 * A value, and its name as it was written: a variable with or without its prefix, or the path of a YAML key.
 */
export interface Given<Name> {
  written: Name;
  value: string;
}

const PREFIX = 'REVENGE_';

/**
 * One or more settings are unusable; `problems` has a line for each. `warnings` are about variables that look
 * like misspelt settings.
 */
export class InvalidSettings extends Error {
  constructor(
    readonly problems: readonly string[],
    readonly warnings: readonly string[] = [],
  ) {
    super(`The settings cannot be used:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/**
 * The variables that are not empty, by their names without the prefix. A name without the prefix wins over
 * the same with it.
 */
export function withoutPrefix(variables: Variables): Record<string, Given<string>> {
  const given = Object.entries(variables)
    .filter((entry): entry is [string, string] => (entry[1] ?? '') !== '')
    .map(([written, value]) => ({ written, value }));
  const isPrefixed = ({ written }: Given<string>) => written.startsWith(PREFIX);
  const named = [...given.filter(isPrefixed), ...given.filter((each) => !isPrefixed(each))];
  return Object.fromEntries(
    named.map((each) => [isPrefixed(each) ? each.written.slice(PREFIX.length) : each.written, each]),
  );
}

/** @returns nothing if there is no such file */
export function readDotenv(path: string): Variables {
  try {
    return parseDotenv(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/**
 * The values of a YAML file by the variables that they set: `storage: { s3: { bucket } }` is
 * STORAGE_S3_BUCKET.
 * @throws InvalidSettings if there is no such file, or it cannot be read
 */
export function readYaml(path: string): Record<string, Given<readonly string[]>> {
  const document = parseFile(path);
  const flat: Record<string, Given<readonly string[]>> = {};
  const flatten = (value: unknown, written: readonly string[]): void => {
    if (value === null || value === undefined) return;
    if (typeof value === 'object' && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) flatten(inner, [...written, key]);
      return;
    }
    const text = Array.isArray(value) ? value.join(',') : `${value as string | number | boolean}`;
    if (text !== '') flat[written.join('_').toUpperCase()] = { written, value: text };
  };
  flatten(document, []);
  return flat;
}

/** @returns a map, or nothing if the file is empty */
function parseFile(path: string): unknown {
  const refuse = (fault: string) => new InvalidSettings([`CONFIG_FILE names ${path}, ${fault}`]);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'and there is no such file.' : `which cannot be read: ${String(code)}.`);
  }
  const lines = new LineCounter();
  const parsed = parseDocument(text, { lineCounter: lines, logLevel: 'error' });
  const fault = faultOf(parsed);
  if (fault) {
    const { line } = lines.linePos(fault.position);
    throw refuse(`which is not valid YAML: ${fault.code} at line ${line}.`);
  }
  const document: unknown = parsed.toJS();
  if (typeof document === 'object' && !Array.isArray(document)) return document;
  throw refuse('which has no "key: value" lines.');
}

/** The first fault of a YAML file. The parser's own messages quote the file, which may have secrets. */
function faultOf(parsed: Document.Parsed): { code: string; position: number } | undefined {
  // A warning is about an unknown tag or directive: a secret that starts with ! would be lost.
  const [first] = [...parsed.errors, ...parsed.warnings];
  if (first) return { code: first.code, position: first.pos[0] };
  let position: number | undefined;
  visit(parsed, {
    Alias(_, alias, path) {
      const target = alias.resolve(parsed);
      if (target && !path.includes(target)) return;
      position = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return position === undefined ? undefined : { code: 'BAD_ALIAS', position };
}
