import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { sha256Hex } from '../model/sha256.js';
import type { S3Store } from '../storage/s3/s3.store.js';
import type { Finding } from './command.js';
import type { Pattern } from './import-pattern.js';
import { invalidId, statOf, unreadable } from './import-sources.js';
import type { Entry } from './importer.js';
import { openFile, openObject } from './open-picture.js';

/** What was seen on the way. */
export interface Seen {
  /** Pictures that the pattern matches. */
  matched: number;
  /** Matching pictures of an avatar that has a newer one. */
  older: number;
  /** What was looked at and does not match. */
  unmatched: number;
}

/** A picture that the pattern matches. */
interface Candidate {
  id: string;
  where: string;
  /** In bytes. */
  size: number;
  /** When it was last modified, in ms since 1970. */
  at: number;
}

type Open = (picture: Candidate) => Promise<Readable>;

/** A day: clocks differ, but not by more. */
const AHEAD_MS = 86_400_000;

/** The newest picture of each id below a folder. Hidden files and folders are left out. */
export function filesMatching(folder: string, pattern: Pattern, seen: Seen): AsyncIterable<readonly Entry[]> {
  return newestOfEach(filesBelow(folder, pattern, seen), seen, ({ where }) => openFile(where));
}

/**
 * The newest picture of each id in a bucket.
 * @param prefix of all keys, before what the pattern matches
 * @param maxBytes larger objects are not read
 */
export function objectsMatching(
  store: S3Store,
  prefix: string,
  pattern: Pattern,
  maxBytes: number,
  seen: Seen,
): AsyncIterable<readonly Entry[]> {
  return newestOfEach(objectsBelow(store, prefix, pattern, seen), seen, ({ where: key, size }) =>
    openObject(store, { key, size }, maxBytes),
  );
}

async function* objectsBelow(
  store: S3Store,
  prefix: string,
  pattern: Pattern,
  seen: Seen,
): AsyncIterable<Candidate> {
  for await (const { key, size, modifiedAt } of store.list(prefix + pattern.prefix)) {
    // Consoles make such an object for a folder.
    if (key.endsWith('/')) continue;
    const id = pattern.idOf(key.slice(prefix.length));
    if (id === undefined) seen.unmatched++;
    else yield { id, where: key, size, at: modifiedAt.getTime() };
  }
}

async function* filesBelow(
  root: string,
  pattern: Pattern,
  seen: Seen,
): AsyncIterable<Candidate | { finding: Finding }> {
  for await (const place of placesBelow(root, '', pattern.segments)) {
    if (typeof place === 'object') {
      yield place;
      continue;
    }
    const id = pattern.idOf(place);
    const found = id === undefined ? undefined : await fileAt(join(root, place));
    if (id === undefined || found === undefined) seen.unmatched++;
    else yield 'finding' in found ? found : { id, ...found };
  }
}

type FoundFile = Omit<Candidate, 'id'>;

/** @returns undefined if there is nothing, or a folder */
async function fileAt(where: string): Promise<FoundFile | { finding: Finding } | undefined> {
  try {
    const found = await statOf(where);
    if (found?.isFile()) return { where, size: found.size, at: found.mtime.getTime() };
    if (found?.isDirectory()) return undefined;
    if (found) return unreadable(where, 'It is a pipe, socket or device.');
    await lstat(where);
    return unreadable(where, 'It is a link that leads nowhere.');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : unreadable(where, message);
  }
}

/** Walks only into folders that the pattern may lead to. @yields places relative to the root */
async function* placesBelow(
  root: string,
  folder: string,
  [segment = '', ...deeper]: Pattern['segments'],
): AsyncIterable<string | { finding: Finding }> {
  if (typeof segment === 'string') {
    if (deeper.length === 0) yield folder + segment;
    else yield* placesBelow(root, `${folder}${segment}/`, deeper);
    return;
  }
  const names = await namesIn(join(root, folder));
  if ('finding' in names) {
    yield names;
    return;
  }
  for (const name of names) {
    // Node has this in place of bytes that are no UTF-8, and finds nothing under such a name.
    if (name.includes('\ufffd') && segment(name))
      yield unreadable(join(root, folder, name), 'Its name is not UTF-8. Rename it.');
    else if (deeper.length === 0) yield folder + name;
    else if (segment(name)) yield* placesBelow(root, `${folder}${name}/`, deeper);
  }
}

/** @returns none if it is no folder */
async function namesIn(folder: string): Promise<readonly string[] | { finding: Finding }> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    return unreadable(folder, (error as Error).message);
  }
}

/** Looks at all before it gives any: memory holds one candidate of each id. */
async function* newestOfEach(
  candidates: AsyncIterable<Candidate | { finding: Finding }>,
  seen: Seen,
  open: Open,
): AsyncIterable<readonly Entry[]> {
  const newest = new Map<string, Candidate>();
  for await (const candidate of candidates) {
    if ('finding' in candidate) {
      yield [candidate];
      continue;
    }
    seen.matched++;
    const known = newest.get(candidate.id);
    if (known) seen.older++;
    if (!known || isNewer(candidate, known)) newest.set(candidate.id, candidate);
  }
  for (const candidate of newest.values()) yield [entryOf(candidate, open)];
}

function isNewer(one: Candidate, other: Candidate): boolean {
  return one.at === other.at ? one.where > other.where : one.at > other.at;
}

/**
 * Its version follows from its id, time and size, so that importing it again changes nothing, and an erasure
 * or a later upload counts for more.
 */
function entryOf(candidate: Candidate, open: Open): Entry {
  const { id, where, size, at } = candidate;
  const invalid = invalidId(id, where);
  if (invalid) return invalid;
  if (at > Date.now() + AHEAD_MS) {
    const message = `It was modified at ${new Date(at).toISOString()}, which is more than a day ahead. Correct its time.`;
    return { finding: { code: 'invalid_time', where, message } };
  }
  const msecs = Math.max(at, 0);
  const random = Buffer.from(sha256Hex(`${id}\n${msecs}\n${size}`), 'hex');
  return { id, where, version: uuidv7({ msecs, random }), open: () => open(candidate) };
}
