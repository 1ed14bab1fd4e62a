import type { ObjectStore } from '../object-store.js';

/**
 * Stores, reads, lists and deletes an object, one after the other: every kind of call that an avatar needs.
 * @param key of the object, below `probes/`
 * @throws an error of the port if one of them fails
 */
export async function tryEveryCall(store: ObjectStore, key: string): Promise<void> {
  await store.store(key, Buffer.from('written by Visage to check that the storage works'));
  await store.get(key);
  for await (const listed of store.list(key)) if (listed.key === key) break;
  await store.delete(key);
}
