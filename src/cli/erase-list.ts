import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parse } from 'csv-parse/sync';
import { CodedError } from '../errors.js';
import { parseBefore } from '../model/erased-before.js';
import type { Instant } from '../model/manifest.js';
import { type Finding, UsageError } from './command.js';
import { invalidId, invalidLine, statOf } from './import-sources.js';

/** An erasure to repeat. */
export interface Erasure {
  where: string;
  id: string;
  erasedAt: Instant;
}

/**
 * The erasures of a list: a line each, JSON with `id` and `erasedAt`, as receipts and the log have it, or CSV `id,erasedAt`. What
 * else a line has is not looked at; a first line `id,erasedAt` is a heading.
 * @throws UsageError where there is no such file
 */
export async function erasuresAt(path: string): Promise<AsyncIterable<Erasure | { finding: Finding }>> {
  const found = await statOf(path);
  if (!found || found.isDirectory()) throw new UsageError(`There is no file ${path}.`);
  return read(path);
}

async function* read(path: string): AsyncIterable<Erasure | { finding: Finding }> {
  let line = 0;
  for await (const read of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line++;
    const text = read.replace(/^\ufeff/, '').trim();
    if (text !== '' && !(line === 1 && /^"?id"?,"?erasedAt"?$/.test(text))) {
      yield erasureOf(text, `${path}:${line}`);
    }
  }
}

function erasureOf(text: string, where: string): Erasure | { finding: Finding } {
  let fields: { id?: unknown; erasedAt?: unknown };
  try {
    fields = fieldsOf(text);
  } catch (error) {
    return invalidLine(where, (error as Error).message);
  }
  const { id, erasedAt } = fields;
  if (typeof id !== 'string' || typeof erasedAt !== 'string') {
    return invalidLine(where, 'It has to have an id and an erasedAt.');
  }
  try {
    return invalidId(id, where) ?? { where, id, erasedAt: parseBefore(erasedAt) };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message =
      'Its erasedAt is not as receipts have it, such as 2026-01-31T12:00:00.000Z, or in the future.';
    return { finding: { code: error.code, where, message } };
  }
}

/** @throws Error where it is neither JSON nor CSV */
function fieldsOf(text: string): { id?: unknown; erasedAt?: unknown } {
  if (text.startsWith('{')) return JSON.parse(text) as { id?: unknown; erasedAt?: unknown };
  const [[id, erasedAt] = []] = parse(text, { trim: true });
  return { id, erasedAt };
}
