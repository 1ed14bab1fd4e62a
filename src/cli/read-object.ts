import { manifestKey } from '../model/keys.js';
import { ManifestUnreadable, readManifest } from '../model/manifest-format.js';
import { type Manifest, emptyManifest } from '../model/manifest.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import { ObjectDamaged, type ObjectStore, type StoredObject } from '../storage/object-store.js';

/**
 * The manifest of an avatar, or an empty one.
 * @throws ManifestUnreadable: none of the avatar's objects is garbage then
 */
export async function manifestOf(store: ObjectStore, id: string): Promise<Manifest> {
  const key = manifestKey(id);
  const object = await readUnlessDamaged(store, key);
  if (object === 'damaged') throw new ManifestUnreadable(key, ObjectDamaged.REASON);
  return object ? readManifest(id, object.bytes) : emptyManifest(id);
}

/** @returns `damaged` if the store has other bytes than were stored; undefined if there is no such object */
export async function readUnlessDamaged(
  store: ObjectStore,
  key: string,
): Promise<StoredObject | 'damaged' | undefined> {
  const object = await getUnlessDamaged(store, key);
  return object === 'unchanged' ? undefined : object;
}

/** @returns undefined if there is no such object */
export async function read(store: ObjectStore, key: string): Promise<StoredObject | undefined> {
  const object = await store.get(key);
  return object === 'unchanged' ? undefined : object;
}
