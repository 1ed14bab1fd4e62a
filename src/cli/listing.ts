import { CodedError } from '../errors.js';
import { ALIASES, AVATARS, MANIFESTS, decodeId, isAliasName } from '../model/keys.js';
import type { ListedObject, ObjectStore } from '../storage/object-store.js';

/** All objects of one avatar that a store lists. */
export interface ListedAvatar {
  /** The id as keys write it. */
  encodedId: string;
  manifest?: ListedObject;
  /** All objects below `avatars/<id>/`. */
  pictures: ListedObject[];
}

/** The object that says for which avatar a hash stands. */
export interface ListedAlias extends ListedObject {
  name: string;
}

/** Takes objects with keys that Visage never writes. */
type OnUnknownKey = (object: ListedObject) => void;

/**
 * The avatars of a store in the order of their keys. Two listings are walked side by side, so memory holds
 * one avatar, however many there are. Encoded ids have no `.` and no `/`, so both listings have the same
 * order.
 */
export async function* listAvatars(
  store: ObjectStore,
  onUnknownKey: OnUnknownKey,
): AsyncIterable<ListedAvatar> {
  const pairs = together(listManifests(store, onUnknownKey), listFolders(store, onUnknownKey));
  for await (const { left, right } of pairs) {
    const encodedId = left?.encodedId ?? right?.encodedId ?? '';
    yield { pictures: right?.pictures ?? [], encodedId, ...(left && { manifest: left.manifest }) };
  }
}

/** Pairs the items of two listings by name. Each listing has to be in the order of `<name>/`. */
export async function* together<L extends { encodedId: string }, R extends { encodedId: string }>(
  lefts: AsyncIterable<L>,
  rights: AsyncIterable<R>,
): AsyncIterable<{ left?: L; right?: R }> {
  const [a, b] = [lefts[Symbol.asyncIterator](), rights[Symbol.asyncIterator]()];
  let left: L | undefined = await next(a);
  let right: R | undefined = await next(b);
  while (left || right) {
    const order = compare(left?.encodedId, right?.encodedId);
    yield { ...(left && order <= 0 && { left }), ...(right && order >= 0 && { right }) };
    if (order <= 0) left = await next(a);
    if (order >= 0) right = await next(b);
  }
}

async function* listManifests(store: ObjectStore, onUnknownKey: OnUnknownKey) {
  for await (const manifest of store.list(MANIFESTS)) {
    const [, encodedId] = /^manifests\/([^/.]+)\.json$/.exec(manifest.key) ?? [];
    if (encodedId === undefined || decodedId(encodedId) === undefined) onUnknownKey(manifest);
    else yield { encodedId, manifest };
  }
}

async function* listFolders(store: ObjectStore, onUnknownKey: OnUnknownKey) {
  let folder: { encodedId: string; pictures: ListedObject[] } | undefined;
  for await (const object of store.list(AVATARS)) {
    const [, encodedId, rest] = object.key.split('/');
    if (encodedId === undefined || rest === undefined) {
      onUnknownKey(object);
      continue;
    }
    if (folder && folder.encodedId !== encodedId) yield folder;
    if (folder?.encodedId !== encodedId) folder = { encodedId, pictures: [] };
    folder.pictures.push(object);
  }
  if (folder) yield folder;
}

export async function* listAliases(
  store: ObjectStore,
  onUnknownKey: OnUnknownKey,
): AsyncIterable<ListedAlias> {
  for await (const object of store.list(ALIASES)) {
    const [, name = ''] = /^aliases\/([^/.]+)\.json$/.exec(object.key) ?? [];
    if (isAliasName(name)) yield { ...object, name };
    else onUnknownKey(object);
  }
}

/** Decodes the id in a key. @returns undefined if no id is encoded like this */
export function decodedId(encodedId: string): string | undefined {
  try {
    return decodeId(encodedId);
  } catch (error) {
    if (error instanceof CodedError) return undefined;
    throw error;
  }
}

/** What findings about a whole avatar name: the manifest, or the folder of its pictures if it has none. */
export function keyOf({ encodedId, manifest }: ListedAvatar): string {
  return manifest?.key ?? `${AVATARS}${encodedId}/`;
}

/** Counts the avatars that have a manifest. */
export async function countAvatars(store: ObjectStore): Promise<number> {
  let found = 0;
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only counted
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
