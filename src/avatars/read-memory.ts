import { LRUCache } from 'lru-cache';
import type { Settings } from '../config/settings.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { SingleFlight } from '../tools/single-flight.js';
import { type ReadToken, isFresh } from './read-token.js';

/** An object as the store has it. */
export interface Stored<Value> {
  readonly value: Value;
  /** Undefined if the store has no such object. */
  readonly etag: string | undefined;
}

/** What this process has last read or written of an object. */
export interface Known<Value> extends Stored<Value> {
  /** By which answers made from it can tell later whether it still holds. */
  readonly token: ReadToken;
  /** A read that began before then, by the monotonic clock in ms, may tell of an older state. */
  newerThan: number;
  /**
   * The etag that a write of this process has replaced; undefined if there was none, or the object was only
   * read.
   */
  replaced?: string | undefined;
}

export interface ReadMemoryOptions<Value> {
  maxBytes: number;
  bytesOf(value: Value, key: string): number;
  /** The facts of a token that do not change. */
  tokenOf(value: Value, key: string): Pick<ReadToken, 'id' | 'maxAgeMs'>;
}

/**
 * Remembers small objects that this process has read or written, each with the time at which the store last
 * confirmed it. Nothing that became known during a read is lost to what the read found.
 */
export class ReadMemory<Value> {
  private readonly entries: LRUCache<string, Known<Value>>;
  private readonly reading = new SingleFlight<Known<Value>>();
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly options: ReadMemoryOptions<Value>,
    private readonly settings: Pick<Settings, 'cacheMaxAgeMs' | 'cacheMaxStaleMs'>,
  ) {
    this.entries = new LRUCache({
      maxSize: Math.max(1, options.maxBytes),
      sizeCalculation: ({ value }, key) => options.bytesOf(value, key),
      dispose: ({ token }) => {
        token.gone = true;
      },
    });
  }

  /** What is known of an object, however old. */
  get(key: string): Known<Value> | undefined {
    return this.entries.get(key);
  }

  /** What is known of an object, if it may be shown while the store is away: for `CACHE_MAX_STALE_MS`. */
  stale(key: string): Known<Value> | undefined {
    const known = this.entries.get(key);
    const mayBeShown = known && performance.now() - known.token.readAt < this.settings.cacheMaxStaleMs;
    return mayBeShown ? known : undefined;
  }

  /**
   * What is known of an object, if it may be shown without asking the store; otherwise what the store has.
   * Callers share the answer of a call under way, unless it began before `CACHE_MAX_AGE_MS`: what it tells
   * may be as old.
   * @throws what `load` throws
   */
  freshOrRead(key: string, load: Load<Value>): Promise<Known<Value>> {
    const known = this.entries.get(key);
    if (known && isFresh(known.token)) {
      this.hits++;
      return Promise.resolve(known);
    }
    this.misses++;
    const { cacheMaxAgeMs } = this.settings;
    if (cacheMaxAgeMs === 0) return this.read(key, load);
    return this.reading.run(key, () => this.read(key, load), cacheMaxAgeMs);
  }

  /**
   * What the store has of an object now, or something newer that became known meanwhile.
   * @throws what `load` throws
   */
  async read(key: string, load: Load<Value>): Promise<Known<Value>> {
    const before = this.entries.get(key);
    const readAt = performance.now();
    const found = await load(before);
    const known = this.entries.get(key);
    if (known === before || (known && known.newerThan < readAt)) {
      return this.keep(key, found, readAt, { newerThan: readAt });
    }
    if (known && overrules(known, found.etag, readAt)) return known;
    return { ...found, token: { readAt, maxAgeMs: 0, gone: true }, newerThan: readAt };
  }

  /**
   * Remembers what this process has written, just when its answer has come.
   * @param begunAt when the call to the store began, by the monotonic clock in ms: others may have changed it
   * since
   * @param replaced the etag that was replaced
   */
  written(key: string, stored: Stored<Value>, begunAt: number, replaced: string | undefined): void {
    // Others may have built on it before its answer came; reads that began before the answer may have missed
    // it.
    this.keep(key, stored, begunAt, { newerThan: performance.now(), replaced });
    this.leave(key);
  }

  /** Lets nobody join the call under way any more: it may miss a change. */
  leave(key: string): void {
    this.reading.leave(key);
  }

  forget(key: string): void {
    this.entries.delete(key);
    this.leave(key);
  }

  countHit(): void {
    this.hits++;
  }

  usage(): CacheUsage {
    const { hits, misses, entries } = this;
    return { hits, misses, entries: entries.size, bytes: entries.calculatedSize };
  }

  private keep(
    key: string,
    { value, etag }: Stored<Value>,
    readAt: number,
    change: Pick<Known<Value>, 'newerThan' | 'replaced'>,
  ): Known<Value> {
    const known = this.entries.get(key);
    if (known && known.etag === etag) {
      // Answers made from it stay valid.
      known.token.readAt = Math.max(known.token.readAt, readAt);
      return Object.assign(known, change);
    }
    const token = { ...this.options.tokenOf(value, key), readAt, gone: false };
    const entry = { value, etag, token, ...change };
    this.entries.set(key, entry);
    return entry;
  }
}

/**
 * Reads an object from the store.
 * @param known with whose etag the store can be asked whether it has changed
 */
type Load<Value> = (known: Known<Value> | undefined) => Promise<Stored<Value>>;

/**
 * Whether what became known during a read overrules what the read found. A write whose answer came during it
 * does, unless the read began after the write and found neither what was written nor what that replaced: then
 * others have built on it.
 */
function overrules(
  { etag, replaced, token }: Known<unknown>,
  found: string | undefined,
  readAt: number,
): boolean {
  return readAt < token.readAt || [etag, replaced].includes(found);
}
