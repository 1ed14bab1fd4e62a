import type { ObjectStore } from '../object-store.js';
import { type TrialBound, runRounds, withProbe } from './probe-objects.js';

/** What listings showed right after a write and a delete. All are counts. */
export interface ListingResult {
  /** Objects that were written, listed, deleted, and listed again. */
  rounds: number;
  /** Objects that a listing after the write did not have, or had with another size. */
  missing: number;
  /** Objects that a listing after the delete still had. */
  lingering: number;
}

/**
 * Lists objects right after they were written, and right after they were deleted.
 * @throws an error of the port
 */
export async function listAfterChanges(store: ObjectStore, bound: TrialBound): Promise<ListingResult> {
  const counts = { missing: 0, lingering: 0 };
  const rounds = await runRounds(bound, (number) =>
    withProbe(store, async (key) => {
      await store.store(key, Buffer.alloc(number % 1000, 1));
      if ((await listedSize(store, key)) !== number % 1000) counts.missing++;
      await store.delete(key);
      if ((await listedSize(store, key)) !== undefined) counts.lingering++;
    }),
  );
  return { rounds, ...counts };
}

/** @returns undefined if the listing has no such object */
async function listedSize(store: ObjectStore, wanted: string): Promise<number | undefined> {
  for await (const { key, size } of store.list(wanted)) if (key === wanted) return size;
  return undefined;
}
