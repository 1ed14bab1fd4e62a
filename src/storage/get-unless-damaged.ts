import { type GetOptions, ObjectDamaged, type ObjectStore, type StoredObject } from './object-store.js';

/**
 * Reads an object. Parameters, results and other errors are those of `ObjectStore.get`.
 * @returns `damaged` if the store has other bytes than were stored
 */
export async function getUnlessDamaged(
  store: ObjectStore,
  key: string,
  options?: GetOptions,
): Promise<StoredObject | 'unchanged' | 'damaged' | undefined> {
  try {
    return await store.get(key, options);
  } catch (error) {
    if (error instanceof ObjectDamaged) return 'damaged';
    throw error;
  }
}
