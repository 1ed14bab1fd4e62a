import { randomBytes, randomInt } from 'node:crypto';
import { LRUCache } from 'lru-cache';
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
  /**
   * Whole reads with the etag of another write: the driver took them for good, and a change would start from
   * them.
   */
  mixed: number;
  /** Reads that ended in an error, since no good answer came in time. */
  failed: number;
  /** The error of the last one that failed, for people. */
  cause?: string;
}

/** How many writes are remembered, the latest ones. */
const KNOWN_WRITES = 10_000;

export interface ReadOptions extends TrialBound {
  /** How many reads the store has thrown away so far: what its `onDiscardedRead` has counted. */
  discarded: () => number;
  readers?: number;
  writers?: number;
}

/**
 * Reads an object again and again while writers replace it. Every read has to give the bytes of one of the
 * writes, whole.
 * @throws an error of the port if a write fails
 */
export async function readBesideWrites(
  store: ObjectStore,
  { discarded, readers = 4, writers = 2, ...bound }: ReadOptions,
): Promise<ReadResult> {
  const before = discarded();
  const counts: Omit<ReadResult, 'rounds' | 'discarded' | 'mixed'> = { reads: 0, torn: 0, failed: 0 };
  const etags = new WrittenEtags();
  const write = async (key: string) => {
    const bytes = selfDescribing();
    const { etag } = await store.store(key, bytes);
    etags.written(sumIn(bytes), etag);
  };
  const read = async (key: string) => {
    counts.reads++;
    try {
      const object = await store.get(key);
      if (object === undefined || object === 'unchanged' || !isWhole(object.bytes)) counts.torn++;
      else etags.read(sumIn(object.bytes), object.etag);
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
    const found = { ...counts, mixed: etags.mixed, discarded: discarded() - before };
    return { rounds: Math.min(...(rounds ?? [])), ...found };
  });
}

/**
 * Compares the etags of reads with those that the writers got. Keeps little, since a fast disk gives
 * thousands of reads a second.
 */
class WrittenEtags {
  /** By the sum of the bytes that were written. */
  private readonly known = new LRUCache<string, string>({ max: KNOWN_WRITES });
  /** The etags of reads that saw a write before its writer knew the etag. */
  private readonly early = new Map<string, string[]>();
  private others = 0;

  written(sum: string, etag: string): void {
    this.known.set(sum, etag);
    this.others += (this.early.get(sum) ?? []).filter((read) => read !== etag).length;
    this.early.delete(sum);
  }

  read(sum: string, etag: string): void {
    const written = this.known.get(sum);
    if (written === undefined) this.early.set(sum, [...(this.early.get(sum) ?? []), etag]);
    else if (written !== etag) this.others++;
  }

  /**
   * How many reads had the etag of another write, or of one that is not known any more: thousands have
   * replaced it since.
   */
  get mixed(): number {
    return [...this.early.values()].reduce((sum, { length }) => sum + length, this.others);
  }
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
