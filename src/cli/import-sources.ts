import { type Dirent, constants, createReadStream } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { type Readable, pipeline } from 'node:stream';
import { parse } from 'csv-parse';
import { CodedError } from '../errors.js';
import { assertId, isVersion } from '../model/keys.js';
import type { S3Store } from '../storage/s3/s3.store.js';
import { type Finding, UsageError } from './command.js';
import { openFile, openObject } from './open-picture.js';
import type { Entry } from './importer.js';

/**
 * The pictures to import from a path of this machine: a list (`.csv`, `.jsonl`), or a folder in the layout of
 * the service that Visage grew from.
 * @throws UsageError if there is neither, or it may not be read
 */
export async function entriesAt(path: string): Promise<AsyncIterable<readonly Entry[]>> {
  const found = await readableAt(path);
  if (!found) throw new UsageError(`There is no file or folder ${path}.`);
  if (found.isFile()) {
    if (extname(path) === '.csv') return alone(readCsv(path));
    if (extname(path) === '.jsonl') return alone(readJsonLines(path));
    throw new UsageError(`${path} is neither a folder nor a list with a name that ends with .csv or .jsonl.`);
  }
  const avatars = join(path, 'avatars');
  return grouped(filesIn((await readableAt(avatars))?.isDirectory() ? avatars : path));
}

/** @returns undefined if there is nothing at the path @throws UsageError if it may not be read */
export async function readableAt(path: string) {
  try {
    const found = await statOf(path);
    if (found) await access(path, found.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
    return found;
  } catch (error) {
    throw new UsageError(`${path} can't be read; let this user read it: ${(error as Error).message}`);
  }
}

/**
 * The pictures to import from a bucket: `<prefix><id>/<uuidv7>.<ext>`. Deeper objects are skipped: Visage
 * makes them if both services share a bucket.
 */
export function entriesIn(store: S3Store, prefix: string, maxBytes: number): AsyncIterable<readonly Entry[]> {
  return grouped(objectsIn(store, prefix, maxBytes));
}

/** One upload in the layout of the service that Visage grew from. */
interface Upload {
  id: string;
  name: string;
  where: string;
  open: () => Promise<Readable>;
}

async function* filesIn(folder: string): AsyncIterable<Upload> {
  for (const user of await sorted(folder)) {
    if (!user.isDirectory()) {
      yield uploadAt(join(folder, user.name), user.name, '');
      continue;
    }
    for (const file of await sorted(join(folder, user.name))) {
      if (!file.isDirectory()) yield uploadAt(join(folder, user.name, file.name), user.name, file.name);
    }
  }
}

async function* objectsIn(store: S3Store, prefix: string, maxBytes: number): AsyncIterable<Upload> {
  for await (const { key, size } of store.list(prefix)) {
    const [id = '', name = '', ...deeper] = key.slice(prefix.length).split('/');
    const open = () => openObject(store, { key, size }, maxBytes);
    if (deeper.length === 0) yield { id, name, where: key, open };
  }
}

/** The uploads of one avatar together, the newest first. */
async function* grouped(uploads: AsyncIterable<Upload>): AsyncIterable<readonly Entry[]> {
  let group: { id: string; entries: Entry[] } | undefined;
  for await (const upload of uploads) {
    if (group && group.id !== upload.id) yield group.entries.reverse();
    if (group?.id !== upload.id) group = { id: upload.id, entries: [] };
    group.entries.push(entryOf(upload));
  }
  if (group) yield group.entries.reverse();
}

function entryOf({ id, name, where, open }: Upload): Entry {
  const version = basename(name, extname(name));
  if (!isVersion(version) || extname(name) === '') {
    const message =
      'Its name is not <id>/<uuidv7>.<extension>. To import it, use --pattern, or make a list (.csv) with a line id,file for it.';
    return { finding: { code: 'unknown_file', where, message } };
  }
  return invalidId(id, where) ?? { id, where, version, open };
}

function uploadAt(path: string, id: string, name: string): Upload {
  return { id, name, where: path, open: () => openFile(path) };
}

async function sorted(folder: string): Promise<Dirent[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter(({ name }) => !name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * @yields an entry for each row. A first row `id,file` is a heading; a heading of another form ends the list
 * with a finding
 */
export async function* readCsv(path: string): AsyncIterable<Entry> {
  const broken: Entry[] = [];
  const parser = pipeline(
    createReadStream(path),
    parse({
      bom: true,
      info: true,
      relaxColumnCount: true,
      skipEmptyLines: true,
      skipRecordsWithError: true,
      onSkip: (error) => {
        broken.push(invalidLine(`${path}:${Number(error?.['lines'])}`, error?.message ?? 'not a row'));
        return undefined;
      },
    }),
    // An error destroys the parser, and so ends the loop below.
    () => undefined,
  );
  let first = true;
  for await (const { record, info } of parser as AsyncIterable<{
    record: string[];
    info: { lines: number };
  }>) {
    yield* broken.splice(0);
    const heading = first ? headingOf(record) : undefined;
    first = false;
    if (heading === 'good') continue;
    if (heading !== undefined) {
      yield invalidLine(`${path}:${info.lines}`, heading);
      return;
    }
    const [id, file] = record;
    const isSeparated = record.length !== 1 || !SEPARATORS.test(id ?? '');
    yield isSeparated
      ? await fileOf(path, info.lines, id, file, record.length === 2)
      : invalidLine(`${path}:${info.lines}`, COMMAS);
  }
  yield* broken;
}

const SEPARATORS = /[;\t]/;
const COMMAS = 'The columns have to be separated by commas: id,file.';
const ORDER = 'The columns are in the wrong order: the order is id,file.';

/** @returns `good`, or what is wrong with a heading; undefined: the row is none */
function headingOf(record: readonly string[]): string | undefined {
  const names = record.flatMap((field) => field.split(SEPARATORS)).map((name) => name.trim().toLowerCase());
  const [first = '', second = ''] = names;
  const isFile = (name: string) => name === 'file' || name === 'path';
  if (names.length !== 2 || !((first === 'id' && isFile(second)) || (second === 'id' && isFile(first)))) {
    return undefined;
  }
  if (record.length === 1) return COMMAS;
  return first === 'id' ? 'good' : ORDER;
}

/** @yields an entry for each line `{ "id": ..., "file": ... }` */
export async function* readJsonLines(path: string): AsyncIterable<Entry> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    line++;
    if (text.trim() === '') continue;
    let row: { id?: unknown; file?: unknown; path?: unknown } | null;
    try {
      row = JSON.parse(text) as typeof row;
    } catch (error) {
      yield invalidLine(`${path}:${line}`, (error as Error).message);
      continue;
    }
    yield await fileOf(path, line, row?.id, row?.file ?? row?.path, typeof row === 'object');
  }
}

async function fileOf(
  list: string,
  line: number,
  id: unknown,
  file: unknown,
  wellFormed: boolean,
): Promise<Entry> {
  const where = `${list}:${line}`;
  if (!wellFormed || typeof id !== 'string' || typeof file !== 'string' || file === '') {
    return invalidLine(where, 'A line needs an id and a file.');
  }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(file)) {
    return invalidLine(where, 'It names a URL. Download the picture, and name its file.');
  }
  const invalid = invalidId(id, where);
  if (invalid) return invalid;
  const path = resolve(dirname(list), file);
  try {
    if (!(await statOf(path))?.isFile()) {
      if ((await statOf(resolve(dirname(list), id)))?.isFile()) return invalidLine(where, ORDER);
      return { finding: { code: 'file_not_found', where, message: `There is no file ${path}.` } };
    }
  } catch (error) {
    return unreadable(where, (error as Error).message);
  }
  return { id, where, open: () => openFile(path) };
}

export function invalidLine(where: string, message: string): { finding: Finding } {
  return { finding: { code: 'invalid_line', where, message } };
}

export function unreadable(where: string, message: string): { finding: Finding } {
  return { finding: { code: 'file_unreadable', where, message } };
}

/** @returns a finding if the id cannot be one of Visage's */
export function invalidId(id: string, where: string): { finding: Finding } | undefined {
  try {
    assertId(id);
    return undefined;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { finding: { code: error.code, where, message: error.message } };
  }
}

async function* alone(entries: AsyncIterable<Entry>): AsyncIterable<readonly Entry[]> {
  for await (const entry of entries) yield [entry];
}

/** @returns undefined if there is nothing at the path */
export async function statOf(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    // The last two: no file can have such a name.
    const absent = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE'];
    if (absent.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
