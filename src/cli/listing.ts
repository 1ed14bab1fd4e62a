import { CodedError } from '../errors.js';
import { ALIASES, AVATARS, MANIFESTS, decodeId, isHash } from '../model/keys.js';
import type { ListedObject, ObjectStore } from '../storage/object-store.js';

/** All that one store lists of one avatar. */
export interface ListedAvatar {
  /** The id as keys write it. */
  written: string;
  manifest?: ListedObject;
  /** Whatever lies below `avatars/<id>/`. */
  pictures: ListedObject[];
}

/** The object of a hash that stands for an avatar. */
export interface ListedAlias extends ListedObject {
  hash: string;
}

/** Gets what has a key like none of Visage's. */
type Strange = (object: ListedObject) => void;

/**
 * The avatars of a store in the order of their keys, out of two listings that are walked side by side: memory holds one
 * avatar, however many there are. An id is written without `.` and `/`, so that both listings have the same order.
 */
export async function* listAvatars(store: ObjectStore, strange: Strange): AsyncIterable<ListedAvatar> {
  const pairs = together(listManifests(store, strange), listFolders(store, strange));
  for await (const { left, right } of pairs) {
    const written = left?.written ?? right?.written ?? '';
    yield { pictures: right?.pictures ?? [], written, ...(left && { manifest: left.manifest }) };
  }
}

/** What two listings have under the same name; each has to be in the order of folders' names, which end with a slash. */
export async function* together<L extends { written: string }, R extends { written: string }>(
  lefts: AsyncIterable<L>,
  rights: AsyncIterable<R>,
): AsyncIterable<{ left?: L; right?: R }> {
  const [a, b] = [lefts[Symbol.asyncIterator](), rights[Symbol.asyncIterator]()];
  let left: L | undefined = await next(a);
  let right: R | undefined = await next(b);
  while (left || right) {
    const order = compare(left?.written, right?.written);
    yield { ...(left && order <= 0 && { left }), ...(right && order >= 0 && { right }) };
    if (order <= 0) left = await next(a);
    if (order >= 0) right = await next(b);
  }
}

async function* listManifests(store: ObjectStore, strange: Strange) {
  for await (const manifest of store.list(MANIFESTS)) {
    const [, written] = /^manifests\/([^/.]+)\.json$/.exec(manifest.key) ?? [];
    if (written === undefined || writtenId(written) === undefined) strange(manifest);
    else yield { written, manifest };
  }
}

async function* listFolders(store: ObjectStore, strange: Strange) {
  let folder: { written: string; pictures: ListedObject[] } | undefined;
  for await (const object of store.list(AVATARS)) {
    const [, written, rest] = object.key.split('/');
    if (written === undefined || rest === undefined) {
      strange(object);
      continue;
    }
    if (folder && folder.written !== written) yield folder;
    if (folder?.written !== written) folder = { written, pictures: [] };
    folder.pictures.push(object);
  }
  if (folder) yield folder;
}

export async function* listAliases(store: ObjectStore, strange: Strange): AsyncIterable<ListedAlias> {
  for await (const object of store.list(ALIASES)) {
    const [, hash = ''] = /^aliases\/([^/.]+)\.json$/.exec(object.key) ?? [];
    if (isHash(hash)) yield { ...object, hash };
    else strange(object);
  }
}

/** The id that keys write so. @returns undefined where no id is written so */
export function writtenId(written: string): string | undefined {
  try {
    return decodeId(written);
  } catch (error) {
    if (error instanceof CodedError) return undefined;
    throw error;
  }
}

/** What findings about a whole avatar name: its manifest, or else its pictures. */
export function keyOf({ written, manifest }: ListedAvatar): string {
  return manifest?.key ?? `${AVATARS}${written}/`;
}

/** How many avatars have a manifest. */
export async function countAvatars(store: ObjectStore): Promise<number> {
  let found = 0;
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only their number is asked for
  for await (const _ of store.list(MANIFESTS)) found++;
  return found;
}

async function next<T>(iterator: AsyncIterator<T, unknown>): Promise<T | undefined> {
  const result = await iterator.next();
  return result.done === true ? undefined : result.value;
}

/** The end of a listing comes after everything. */
function compare(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return `${a}/` < `${b}/` ? -1 : 1;
}
