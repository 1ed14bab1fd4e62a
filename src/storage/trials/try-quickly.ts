import type { ObjectStore } from '../object-store.js';
import { type RaceResult, everyWriteHeld, raceToCreate, raceToReplace } from './races.js';
import { type ReadResult, readBesideWrites } from './reads-beside-writes.js';

/** What a few races and a few reads beside writes showed. */
export interface QuickResult {
  /** Whether conditional writes held in every race. */
  conditionalWritesHold: boolean;
  /** Reads that were thrown away, because their bytes did not belong to their etag. */
  discardedReads: number;
  create: RaceResult;
  replace: RaceResult;
  reads: ReadResult;
}

/** About 70 calls, most of them at the same time as others. */
const ROUNDS = { create: 3, replace: 4, reads: 4 } as const;

/** With eight, a race takes SeaweedFS two seconds instead of a tenth of one. */
const WRITERS = 4;

/**
 * Tries a store for a moment, as at the start of the service. What it finds is so; what it does not find may
 * be there all the same, and `visage doctor` looks for longer. Works below `probes/` only, and removes what
 * it wrote.
 * @param discarded how many reads the store has thrown away so far: what its `onDiscardedRead` has counted
 * @throws an error of the port
 */
export async function tryQuickly(store: ObjectStore, discarded: () => number): Promise<QuickResult> {
  const create = await raceToCreate([store], { rounds: ROUNDS.create, writers: WRITERS });
  const replace = await raceToReplace([store], { rounds: ROUNDS.replace, writers: WRITERS });
  const reads = await readBesideWrites(store, { rounds: ROUNDS.reads, discarded });
  const conditionalWritesHold = everyWriteHeld(create) && everyWriteHeld(replace);
  return { conditionalWritesHold, discardedReads: reads.discarded, create, replace, reads };
}
