import { randomBytes, randomInt } from 'node:crypto';
import { sha256Hex } from '../../model/sha256.js';
import { ObjectDamaged, type ObjectStore, isAway } from '../object-store.js';
import { type TrialBound, allEnded, runRounds, withProbe } from './probe-objects.js';

/** What reads showed while others replaced the object. All but `cause` are counts. */
export interface ReadResult {
  /** Writes of each writer. */
  rounds: number;
  reads: number;
  /** Reads that the driver threw away and repeated, because their bytes did not belong to their etag. */
  discarded: number;
  /** Reads whose bytes nobody ever wrote, or that found no object: the driver took them for good. */
  torn: number;
  /** Reads that ended in an error, since no good answer came in time. */
  failed: number;
  /** The error of the last one that failed, for people. */
  cause?: string;
}

export interface ReadOptions extends TrialBound {
  /** How many reads the store has thrown away so far: what its `onDiscardedRead` has counted. */
  discarded: () => number;
  readers?: number;
  writers?: number;
}

/**
 * Reads an object again and again while writers replace it. Every read has to give the bytes of one of the writes, whole.
 * @throws an error of the port if a write fails
 */
export async function readBesideWrites(
  store: ObjectStore,
  { discarded, readers = 4, writers = 2, ...bound }: ReadOptions,
): Promise<ReadResult> {
  const before = discarded();
  const counts: Omit<ReadResult, 'rounds' | 'discarded'> = { reads: 0, torn: 0, failed: 0 };
  const read = async (key: string) => {
    counts.reads++;
    try {
      const object = await store.get(key);
      if (object === undefined || object === 'unchanged' || !isWhole(object.bytes)) counts.torn++;
    } catch (error) {
      if (!isAway(error) && !(error instanceof ObjectDamaged)) throw error;
      counts.failed++;
      counts.cause = error.cause instanceof Error ? error.cause.message : error.message;
    }
  };
  return withProbe(store, async (key) => {
    await store.store(key, selfDescribing());
    const written = new AbortController();
    const writing = allEnded(
      repeat(writers, () => runRounds(bound, () => store.store(key, selfDescribing()))),
    ).finally(() => {
      written.abort();
    });
    const reading = allEnded(repeat(readers, () => runRounds({ until: written.signal }, () => read(key))));
    const [rounds] = await allEnded([writing, reading]);
    return { rounds: Math.min(...(rounds ?? [])), ...counts, discarded: discarded() - before };
  });
}

function repeat<T>(times: number, begin: () => Promise<T>): Promise<T>[] {
  return Array.from({ length: times }, begin);
}

/** Bytes of a random length that start with the SHA-256 of the others. */
function selfDescribing(): Buffer {
  const bytes = randomBytes(randomInt(1, 8192));
  return Buffer.concat([Buffer.from(sha256Hex(bytes)), bytes]);
}

function isWhole(bytes: Buffer): boolean {
  return bytes.subarray(0, 64).toString() === sha256Hex(bytes.subarray(64));
}
