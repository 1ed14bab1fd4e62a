import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse/sync';
import { parseBefore } from '../avatars/parse-before.js';
import { CodedError } from '../errors.js';
import { isVersion } from '../model/keys.js';
import type { Instant } from '../model/manifest.js';
import { UsageError } from './command.js';
import type { Listed } from './for-each.js';
import { invalidId, invalidLine, statOf } from './import-sources.js';

/** What the log messages of a dry run begin with, for erasures that were not carried out. */
export const WOULD_ERASE = 'would erase';

/** An erasure to repeat. */
export interface Erasure {
  where: string;
  id: string;
  erasedAt: Instant;
  /** The only version that was erased; undefined: the whole avatar was. */
  version?: string | undefined;
}

/**
 * The erasures of a list, one per line: JSON with `id`, `erasedAt` and, for a single version, `version`, as
 * in receipts and in the log, or CSV `id,erasedAt,version`. Other fields are ignored. A first line of these
 * names is a heading.
 * @throws UsageError if there is no such file
 */
export async function erasuresAt(path: string): Promise<AsyncIterable<readonly Listed<Erasure>[]>> {
  const found = await statOf(path);
  if (!found || found.isDirectory()) throw new UsageError(`There is no file ${path}.`);
  return read(path);
}

async function* read(path: string): AsyncIterable<readonly Listed<Erasure>[]> {
  let line = 0;
  for await (const read of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line++;
    const text = read.replace(/^\ufeff/, '').trim();
    if (text !== '' && !(line === 1 && /^"?id"?,"?erasedAt"?(?:,"?version"?)?$/.test(text))) {
      yield [erasureOf(text, `${path}:${line}`)];
    }
  }
}

function erasureOf(text: string, where: string): Listed<Erasure> {
  let fields: Fields;
  try {
    fields = fieldsOf(text);
  } catch (error) {
    return invalidLine(where, (error as Error).message);
  }
  const { id, erasedAt, version, msg } = fields;
  if (typeof msg === 'string' && msg.startsWith(WOULD_ERASE)) {
    return invalidLine(where, 'It is from the log of a dry run, so this may not have been erased.');
  }
  if (typeof id !== 'string' || typeof erasedAt !== 'string') {
    return invalidLine(where, 'A line needs an id and an erasedAt, as JSON or as id,erasedAt.');
  }
  // Without its version, the line would erase the whole avatar.
  if (version !== undefined && (typeof version !== 'string' || !isVersion(version))) {
    return invalidLine(
      where,
      'The version is not the name of one. Copy the line from the receipt or the log. Only without a third column, the whole avatar is erased.',
    );
  }
  try {
    return invalidId(id, where) ?? { where, id, erasedAt: parseBefore(erasedAt), version };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message =
      'The erasedAt has to be a time in the form of receipts, like 2026-01-31T12:00:00.000Z, and not more than a day in the future.';
    return { finding: { code: error.code, where, message } };
  }
}

interface Fields {
  id?: unknown;
  erasedAt?: unknown;
  version?: unknown;
  msg?: unknown;
}

/** @throws Error if it is neither JSON nor CSV */
function fieldsOf(text: string): Fields {
  if (text.startsWith('{')) return JSON.parse(text) as Fields;
  const [[id, erasedAt, version] = []] = parse(text, { trim: true });
  return { id, erasedAt, version };
}
