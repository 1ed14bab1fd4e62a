import { type Dirent, type Stats, constants } from 'node:fs';
import { lstat, open, readFile, readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { sha256Hex } from '../../model/sha256.js';
import { type ListedObject, ObjectDamaged, type StoredObject } from '../object-store.js';
import { keptChecksum } from './file-checksum.js';
import { isAbsent, translated } from './file-errors.js';

/** Whether a key leads to a path below the root. Every key that a listing gives does. */
export function isBelowRoot(key: string): boolean {
  return !key.includes('\0') && key.split('/').every((segment) => !['', '.', '..'].includes(segment));
}

export function etagOfBytes(bytes: Buffer): string {
  return sha256Hex(bytes);
}

/**
 * @returns undefined if there is no object at the path
 * @throws ObjectDamaged its bytes are not those that were stored; what the file system throws
 */
export async function readObjectFile(key: string, path: string): Promise<StoredObject | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const [bytes, kept] = await Promise.all([readFile(file), keptChecksum(file)]);
      const { mtime, mtimeNs } = await file.stat({ bigint: true });
      const etag = etagOfBytes(bytes);
      // A file that was changed since then was restored from a backup, or is being written over.
      if (kept?.mtimeNs === mtimeNs && kept.sum !== etag) throw new ObjectDamaged(key);
      return { bytes, etag, modifiedAt: mtime };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** @returns undefined if there is nothing at the path */
export async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/**
 * The entries of a folder in the order of their keys: a folder sorts as its name and a slash. An absent
 * folder has none.
 */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const sortName = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name);
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** The objects of a folder of the root whose keys start with `prefix`, in the order of their keys. */
export async function* listObjectFiles(
  root: string,
  folder: string,
  prefix: string,
): AsyncIterable<ListedObject> {
  for (const entry of await translated(() => entriesOf(folder))) {
    const path = join(folder, entry.name);
    const key = relative(root, path).split(sep).join('/');
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) {
      if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
        yield* listObjectFiles(root, path, prefix);
    } else if (key.startsWith(prefix)) {
      const found = await translated(() => statIfThere(path));
      if (found?.isFile()) yield { key, size: found.size, modifiedAt: found.mtime };
    }
  }
}
