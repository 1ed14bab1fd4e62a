import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { CacheUsage } from '../delivery/renditions.js';
import { CodedError } from '../errors.js';
import { KeyedMutex } from '../storage/keyed-mutex.js';
import { type ObjectStore, PreconditionFailed, isAway } from '../storage/object-store.js';
import { manifestKey } from './keys.js';
import { type Intent, type Manifest, apply, emptyManifest, readManifest, writeManifest } from './manifest.js';

export interface AvatarRepositoryOptions {
  /** Versions kept in a manifest. */
  history: number;
  /** How long a change may wait for other changes of the same avatar, in ms. */
  commitTimeoutMs: number;
  /** How old a manifest may be that `recall` gives, in ms; 0: every call asks the store. */
  maxAgeMs: number;
  /** Bytes of manifests kept in memory. */
  cacheBytes: number;
}

/** What the store tells those who read a manifest without Visage. */
export const MANIFEST_ATTRIBUTES = { contentType: 'application/json', cacheControl: 'no-store' } as const;

/** Intents that were accepted and are not in the store yet. */
export interface PendingIntents {
  of(id: string): readonly Intent[];
}

interface Snapshot {
  readonly manifest: Manifest;
  /** Undefined where the store has no manifest. */
  readonly etag: string | undefined;
  readonly bytes: number;
}

interface Entry {
  readonly snapshot: Snapshot;
  /** By the monotonic clock, in ms. */
  readonly readAt: number;
}

/**
 * The manifests: read fresh, read from memory, and changed by compare and swap. What is read shows what is pending as done
 * already.
 */
export class AvatarRepository {
  private readonly cache: LRUCache<string, Entry>;
  private readonly reading = new Map<string, Promise<Snapshot>>();
  private readonly changes = new KeyedMutex();
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly pending: PendingIntents,
    private readonly options: AvatarRepositoryOptions,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, options.cacheBytes),
      sizeCalculation: ({ snapshot }, key) => snapshot.bytes + key.length + 200,
    });
  }

  /** Of what `recall` was asked for. */
  usage(): CacheUsage {
    const { hits, misses, cache } = this;
    return { hits, misses, entries: cache.size, bytes: cache.calculatedSize };
  }

  /** The manifest as it is in the store now; an empty one where there is none. */
  async read(id: string): Promise<Manifest> {
    return this.withPending((await this.revalidate(id)).manifest);
  }

  /**
   * The manifest as this process knows it, at most `maxAgeMs` old, or as it was last known while the store is away. One
   * request to the store serves all who wait.
   */
  async recall(id: string): Promise<Manifest> {
    const entry = this.cache.get(id);
    if (entry && performance.now() - entry.readAt < this.options.maxAgeMs) {
      this.hits++;
      return this.withPending(entry.snapshot.manifest);
    }
    this.misses++;
    try {
      return this.withPending((await this.revalidateOnce(id)).manifest);
    } catch (error) {
      const known = isAway(error) ? this.lastKnown(id) : undefined;
      if (!known) throw error;
      return known;
    }
  }

  /**
   * What tells, at the cost of a look into memory, whether the manifest that `recall` just gave would still be given.
   * @returns undefined where that cannot be known without the store
   */
  validity(id: string): (() => boolean) | undefined {
    const snapshot = this.fresh(id);
    if (!snapshot) return undefined;
    return () => {
      const valid = this.fresh(id) === snapshot;
      if (valid) this.hits++;
      return valid;
    };
  }

  /** The manifest as this process knows it, however old. @returns undefined where it knows nothing of the avatar */
  lastKnown(id: string): Manifest | undefined {
    const entry = this.cache.get(id);
    if (!entry && this.pending.of(id).length === 0) return undefined;
    return this.withPending(entry?.snapshot.manifest ?? emptyManifest(id));
  }

  /**
   * Changes an avatar: reads its manifest, asks what is wanted, writes the result if nobody else wrote in between, and else
   * begins again.
   * @param decide gets the manifest as it is in the store, and gives the intent, or nothing where all is as wished; it may be called
   * several times, and what it throws ends the change
   * @returns the manifest that holds the change
   * @throws CodedError `busy` where others kept writing; what the store throws
   */
  async change(id: string, decide: (manifest: Manifest) => Intent | undefined): Promise<Manifest> {
    const giveUp = performance.now() + this.options.commitTimeoutMs;
    return this.changes.run(id, async () => {
      for (let attempt = 1; ; attempt++) {
        const before = await this.revalidate(id);
        const intent = decide(before.manifest);
        if (!intent) return before.manifest;
        const after = await this.swap(id, before, apply(before.manifest, intent, this.options.history));
        if (after) return after;
        if (performance.now() > giveUp) {
          throw new CodedError(
            'busy',
            'Too many changes of this avatar at the same time. Try again shortly.',
          );
        }
        await sleep(Math.random() * Math.min(10 * attempt, 200));
      }
    });
  }

  /** A manifest with what is pending done already. */
  withPending(manifest: Manifest): Manifest {
    const pending = this.pending.of(manifest.id);
    return pending.reduce((shown, intent) => apply(shown, intent, this.options.history), manifest);
  }

  private fresh(id: string): Snapshot | undefined {
    const entry = this.cache.get(id);
    const fresh = entry && performance.now() - entry.readAt < this.options.maxAgeMs;
    return fresh && this.pending.of(id).length === 0 ? entry.snapshot : undefined;
  }

  /** Who asks while a request is on its way gets its answer; with a `maxAgeMs` of 0 it may be older than the question. */
  private revalidateOnce(id: string): Promise<Snapshot> {
    if (this.options.maxAgeMs === 0) return this.revalidate(id);
    let reading = this.reading.get(id);
    if (!reading) {
      reading = this.revalidate(id).finally(() => this.reading.delete(id));
      this.reading.set(id, reading);
    }
    return reading;
  }

  /** @returns undefined where somebody else was faster */
  private async swap(id: string, before: Snapshot, manifest: Manifest): Promise<Manifest | undefined> {
    const bytes = writeManifest(manifest);
    if (before.etag !== undefined && bytes.equals(writeManifest(before.manifest))) return before.manifest;
    try {
      const { etag } = await this.store.store(manifestKey(id), bytes, {
        ...(before.etag === undefined ? { ifAbsent: true } : { ifMatch: before.etag }),
        ...MANIFEST_ATTRIBUTES,
      });
      this.cache.set(id, { snapshot: { manifest, etag, bytes: bytes.length }, readAt: performance.now() });
      return manifest;
    } catch (error) {
      if (error instanceof PreconditionFailed) return undefined;
      throw error;
    }
  }

  private async revalidate(id: string): Promise<Snapshot> {
    const known = this.cache.get(id);
    const readAt = performance.now();
    const snapshot = await this.load(id, known?.snapshot);
    // A change that was committed here while we read is newer than what we read.
    if (this.cache.peek(id) === known) this.cache.set(id, { snapshot, readAt });
    return snapshot;
  }

  private async load(id: string, known: Snapshot | undefined): Promise<Snapshot> {
    const object = await this.store.get(
      manifestKey(id),
      known?.etag === undefined ? {} : { ifNoneMatch: known.etag },
    );
    if (object === 'unchanged' && known) return known;
    if (object === undefined && known && known.etag === undefined) return known;
    if (object === undefined || object === 'unchanged')
      return { manifest: emptyManifest(id), etag: undefined, bytes: 0 };
    try {
      return { manifest: readManifest(id, object.bytes), etag: object.etag, bytes: object.bytes.length };
    } catch (error) {
      const detail = 'The record of this avatar is damaged. An operator has to mend it.';
      throw new CodedError('manifest_unreadable', detail, { cause: error });
    }
  }
}
