import { manifestKey } from '../model/keys.js';
import { readManifest } from '../model/manifest-format.js';
import { type Manifest, emptyManifest } from '../model/manifest.js';
import type { ObjectStore, StoredObject } from '../storage/object-store.js';

/** The manifest of an avatar, or an empty one. @throws ManifestUnreadable: none of the avatar's objects is garbage then */
export async function manifestOf(store: ObjectStore, id: string): Promise<Manifest> {
  const object = await read(store, manifestKey(id));
  return object ? readManifest(id, object.bytes) : emptyManifest(id);
}

/** @returns undefined if there is no such object */
export async function read(store: ObjectStore, key: string): Promise<StoredObject | undefined> {
  const object = await store.get(key);
  return object === 'unchanged' ? undefined : object;
}
