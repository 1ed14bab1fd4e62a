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
  /** Whole reads with the etag of another write: the driver took them for good, and a change would start from them. */
  mixed: number;
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
  const counts: Omit<ReadResult, 'rounds' | 'discarded'> = { reads: 0, torn: 0, mixed: 0, failed: 0 };
  const etags = new Map<string, string>();
  const seen: { sum: string; etag: string }[] = [];
  const write = async (key: string) => {
    const bytes = selfDescribing();
    const { etag } = await store.store(key, bytes);
    etags.set(sumIn(bytes), etag);
  };
  const read = async (key: string) => {
    counts.reads++;
    try {
      const object = await store.get(key);
      if (object === undefined || object === 'unchanged' || !isWhole(object.bytes)) counts.torn++;
      else seen.push({ sum: sumIn(object.bytes), etag: object.etag });
    } catch (error) {
      if (!isAway(error) && !(error instanceof ObjectDamaged)) throw error;
      counts.failed++;
      counts.cause = error.cause instanceof Error ? error.cause.message : error.message;
    }
  };
  return withProbe(store, async (key) => {
    await write(key);
    const written = new AbortController();
    const writing = allEnded(repeat(writers, () => runRounds(bound, () => write(key)))).finally(() => {
      written.abort();
    });
    const reading = allEnded(repeat(readers, () => runRounds({ until: written.signal }, () => read(key))));
    const [rounds] = await allEnded([writing, reading]);
    // A read may see a write before its writer knows the etag.
    counts.mixed = seen.filter(({ sum, etag }) => etags.get(sum) !== etag).length;
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

function sumIn(bytes: Buffer): string {
  return bytes.subarray(0, 64).toString();
}

function isWhole(bytes: Buffer): boolean {
  return sumIn(bytes) === sha256Hex(bytes.subarray(64));
}
