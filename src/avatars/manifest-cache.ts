import { LRUCache } from 'lru-cache';
import type { Settings } from '../config/settings.js';
import type { CacheUsage } from '../model/cache-usage.js';
import type { Manifest } from '../model/manifest.js';
import type { LastKnown } from './read-token.js';

/** Memory of an entry beside its manifest, generously, in bytes. */
const OVERHEAD_BYTES = 200;

/** A manifest as the store had it at some moment. */
export interface Snapshot {
  readonly manifest: Manifest;
  /** Undefined if the store had no manifest. */
  readonly etag: string | undefined;
  readonly bytes: number;
}

export interface CachedManifest extends Omit<LastKnown, 'etag'> {
  readonly snapshot: Snapshot;
}

/** Keeps the manifests that this process has read, each with the time at which the store last confirmed it. */
export class ManifestCache {
  private readonly entries: LRUCache<string, CachedManifest>;
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly settings: Pick<Settings, 'cacheMaxAgeMs' | 'cacheMaxStaleMs'>,
    maxBytes: number,
  ) {
    this.entries = new LRUCache({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: ({ snapshot }, key) => snapshot.bytes + key.length + OVERHEAD_BYTES,
      dispose: ({ token }) => {
        token.gone = true;
      },
    });
  }

  get(id: string): CachedManifest | undefined {
    return this.entries.get(id);
  }

  /**
   * @param readAt when the call to the store began, by the monotonic clock in ms: others may have changed it since
   * @param change its answer, and what it replaced, as in the entry; left out if the manifest was read
   */
  keep(
    id: string,
    snapshot: Snapshot,
    readAt: number,
    { newerThan, replaced }: Pick<CachedManifest, 'newerThan' | 'replaced'> = { newerThan: readAt },
  ): CachedManifest {
    const token = { id, readAt, maxAgeMs: this.settings.cacheMaxAgeMs, gone: false };
    const entry = { snapshot, token, newerThan, replaced };
    this.entries.set(id, entry);
    return entry;
  }

  /** Whether an entry may be shown while the store is away: `CACHE_MAX_STALE_MS`. */
  mayBeShownStale({ token: { readAt } }: CachedManifest): boolean {
    return performance.now() - readAt < this.settings.cacheMaxStaleMs;
  }

  countHit(): void {
    this.hits++;
  }

  countMiss(): void {
    this.misses++;
  }

  usage(): CacheUsage {
    const { hits, misses, entries } = this;
    return { hits, misses, entries: entries.size, bytes: entries.calculatedSize };
  }
}
