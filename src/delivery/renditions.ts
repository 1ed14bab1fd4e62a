import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import pLimit from 'p-limit';
import { damageOf, unreadable } from '../avatars/damage.js';
import { type ImagePipeline, type Rendering, TooSlow } from '../images/image-pipeline.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { MASTER_FORMATS, type RenditionFormat } from '../model/formats.js';
import { pictureKey, prefixOf, timeOfVersion, versionOf } from '../model/keys.js';
import type { Instant, Version } from '../model/manifest.js';
import { type Rendition, canBeMade, chooseRendition, renditionName } from '../model/rendition.js';
import { type ObjectStore, StorageBusy, isAway } from '../storage/object-store.js';

export interface RenditionsOptions {
  /** Bytes of pictures kept in memory. */
  cacheBytes: number;
  /** Edges in px that renditions are made at and kept, ascending. Others are made when their URLs are asked for. */
  sizes: readonly number[];
  /** Of these, those that are made of a new version before anybody asks. */
  warmSizes: readonly number[];
  /** Renditions that may wait to be made in the background. */
  backgroundQueue: number;
}

/** For how long a rendition that took too long is not tried again: each attempt holds a turn for the whole time-out. */
const TOO_SLOW_MS = 60_000;
/** How many of them are remembered. */
const TOO_SLOW_ENTRIES = 10_000;

/** What renditions have to know of the avatars that they belong to. */
export interface Surroundings {
  /** The master of a version that is not in the store yet. */
  pendingMaster(id: string, version: string): Promise<{ format: RenditionFormat; bytes: Buffer } | undefined>;
  /** What this process knows of a version without asking the store. @returns undefined if that is nothing */
  knownVersion(id: string, version: string): Version | undefined;
  /** Stores a rendition, unless its version was erased. @returns whether it is there */
  store(id: string, version: string, rendition: Rendition, bytes: Buffer): Promise<boolean>;
}

/** How long a picture that the store did not have is not asked for again, in ms. */
const ABSENT_MS = 10_000;

/** What remembers that takes, as a part of the cache's bytes, and of each: more than a key and what holds it. */
const ABSENT_SHARE = 1 / 64;
const ABSENT_BYTES = 512;

interface Wanted {
  id: string;
  version: string;
  rendition: Rendition;
}

/**
 * The bytes of masters and renditions: from memory, else from the store, else made from the master and kept. Everyone who
 * asks for the same one at the same time waits for the same answer.
 */
export class Renditions {
  private readonly logger = new Logger(Renditions.name);
  private readonly cache: LRUCache<string, Buffer, Wanted>;
  /** Keys that the store did not have, and of versions without a master what the keys of all their pictures begin with. */
  private readonly absent: LRUCache<string, true>;
  private readonly background = pLimit(1);
  private readonly preparing = new Set<string>();
  private readonly keeping = new Map<string, Promise<boolean>>();
  private readonly tooSlow = new LRUCache<string, true>({ max: TOO_SLOW_ENTRIES, ttl: TOO_SLOW_MS });
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly pipeline: ImagePipeline,
    private readonly surroundings: Surroundings,
    private readonly options: RenditionsOptions,
  ) {
    const absentBytes = options.cacheBytes * ABSENT_SHARE;
    this.absent = new LRUCache({ max: Math.max(1, Math.floor(absentBytes / ABSENT_BYTES)), ttl: ABSENT_MS });
    this.cache = new LRUCache({
      maxSize: Math.max(1, Math.floor(options.cacheBytes - absentBytes)),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
      fetchMethod: (key, _, { context }) => this.load(key, context),
      // Who waits for a picture gets it even where another pushes it out of the cache meanwhile.
      ignoreFetchAbort: true,
    });
  }

  get sizes(): readonly number[] {
    return this.options.sizes;
  }

  usage(): CacheUsage {
    const { hits, misses, cache } = this;
    return { hits, misses, entries: cache.size, bytes: cache.calculatedSize };
  }

  /**
   * @returns undefined where there is no such version, or no such rendition of it
   * @throws CodedError `picture_unreadable` the master is damaged, or what it takes to make the rendition; what the pipeline and
   * the store throw
   */
  async get(id: string, version: string, rendition: Rendition): Promise<Buffer | undefined> {
    const key = pictureKey(id, version, renditionName(rendition));
    const known = this.cache.get(key);
    if (known) {
      this.hits++;
      return known;
    }
    this.misses++;
    const bytes = await this.cache.fetch(key, { context: { id, version, rendition } });
    if (!bytes) this.absent.set(key, true);
    return bytes;
  }

  /**
   * Whether there was no such picture a short while ago. Only of a version that the manifest does not name: a version that it names may
   * have been stored since.
   */
  isAbsent(id: string, version: string, rendition: Rendition): boolean {
    return [pictureKey(id, version, renditionName(rendition)), pictureKey(id, version, '')].some((key) =>
      this.absent.has(key),
    );
  }

  /** Whether a rendition is in memory. */
  holds(id: string, version: string, rendition: Rendition): boolean {
    return this.cache.has(pictureKey(id, version, renditionName(rendition)));
  }

  /** What takes a rendition out of memory, as long as it is there: costs no call to the store. */
  taker(id: string, version: string, rendition: Rendition): () => Buffer | undefined {
    const key = pictureKey(id, version, renditionName(rendition));
    return () => {
      const known = this.cache.get(key);
      if (known) this.hits++;
      return known;
    };
  }

  /**
   * Makes a rendition in the background, so that it is in memory and in the store for those who come later. One at a time, and
   * none more where too many wait: it can be asked for again.
   */
  prepare(id: string, version: string, rendition: Rendition): void {
    const key = pictureKey(id, version, renditionName(rendition));
    if (
      this.preparing.has(key) ||
      this.preparing.size > this.options.backgroundQueue ||
      this.cache.has(key)
    ) {
      return;
    }
    this.preparing.add(key);
    void this.background(async () => {
      try {
        await this.cache.fetch(key, { context: { id, version, rendition } });
      } catch (error) {
        this.logger.debug({ key, err: error }, 'a rendition could not be made in the background');
      } finally {
        this.preparing.delete(key);
      }
    });
  }

  /** Prepares what most readers of a new version will ask for. */
  warm(id: string, version: Version): void {
    const { warmSizes, sizes } = this.options;
    for (const size of warmSizes.filter((one) => one > 0 && one < version.width)) {
      this.prepare(id, version.version, chooseRendition(version, { size, format: 'webp' }, sizes));
    }
  }

  /** Forgets the pictures of an avatar that were erased, those up to an instant, once none of them is on its way to the store. */
  async forget(id: string, end: Instant): Promise<void> {
    const prefix = prefixOf(id);
    const isGone = (key: string) =>
      key.startsWith(prefix) && timeOfVersion(versionOf(key) ?? '') <= Date.parse(end);
    for (const key of this.cache.keys()) if (isGone(key)) this.cache.delete(key);
    await Promise.allSettled([...this.keeping].filter(([key]) => isGone(key)).map(([, keeping]) => keeping));
  }

  /**
   * Sees to it that the store has a picture, whole, for readers that go there without us.
   * @returns whether it has: false where its version was erased or its master is gone
   * @throws what `get` throws
   */
  async ensureKept(id: string, version: string, rendition: Rendition): Promise<boolean> {
    const key = pictureKey(id, version, renditionName(rendition));
    const bytes = await this.get(id, version, rendition);
    if (bytes === undefined) return false;
    // One that was damaged is being replaced.
    const keeping = this.keeping.get(key);
    if (keeping) return keeping;
    return (await this.store.exists(key)) || this.keep(key, bytes, { id, version, rendition });
  }

  private async load(key: string, wanted: Wanted): Promise<Buffer | undefined> {
    const { id, version, rendition } = wanted;
    const { size, format, still, exact } = rendition;
    if (!canBeMade(rendition)) return undefined;
    const stored = exact ? undefined : await this.fromStore(key, id, version, rendition);
    const damage = stored && this.damageOf(stored, wanted);
    if (stored && damage === undefined) return stored;
    if (size === undefined) {
      if (damage === undefined) return undefined;
      throw unreadable(key, damage);
    }
    if (damage !== undefined) {
      this.logger.warn({ key, damage }, 'a damaged rendition in the storage is made again from its master');
    }
    const master = await this.master(id, version);
    if (!master) {
      this.absent.set(pictureKey(id, version, ''), true);
      return undefined;
    }
    const bytes = await this.render(key, id, master, { size, format, still, exact });
    // Of the others there may be thousands.
    const isKept = !exact && this.options.sizes.includes(size);
    if (isKept || damage !== undefined) this.keepAside(key, bytes, wanted);
    return bytes;
  }

  /** @throws TooSlow without an attempt if the last one took too long and is less than `TOO_SLOW_MS` ago */
  private async render(key: string, id: string, master: Buffer, rendering: Rendering): Promise<Buffer> {
    const left = this.tooSlow.getRemainingTTL(key);
    if (left > 0) throw new TooSlow({ logged: true, retryAfter: Math.ceil(left / 1000) });
    try {
      return await this.pipeline.render(master, rendering, id);
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      this.tooSlow.set(key, true);
      throw new TooSlow({ cause: error.cause, retryAfter: TOO_SLOW_MS / 1000 });
    }
  }

  /** The checksum of a master is in the manifest. Of a rendition nothing is known but that it was whole. */
  private damageOf(bytes: Buffer, { id, version, rendition: { size, format } }: Wanted): string | undefined {
    const known = size === undefined ? this.surroundings.knownVersion(id, version) : undefined;
    return damageOf(bytes, format, known?.master === format ? known : undefined);
  }

  /** While the store is away, a rendition can be made again of a master that is at hand. */
  private async fromStore(
    key: string,
    id: string,
    version: string,
    { size, format }: Rendition,
  ): Promise<Buffer | undefined> {
    const pending = await this.surroundings.pendingMaster(id, version);
    if (pending) return size === undefined && format === pending.format ? pending.bytes : undefined;
    try {
      const object = await this.store.get(key);
      return object === undefined || object === 'unchanged' ? undefined : object.bytes;
    } catch (error) {
      if (size === undefined || !isAway(error) || !this.masterInMemory(id, version)) throw error;
      return undefined;
    }
  }

  /** Of a version that may have left the manifest: its URLs are good as long as its master is there. */
  private async master(id: string, version: string): Promise<Buffer | undefined> {
    const known = this.masterInMemory(id, version);
    if (known) return known;
    for (const format of MASTER_FORMATS) {
      const master = await this.get(id, version, { format });
      if (master) return master;
    }
    return undefined;
  }

  private masterInMemory(id: string, version: string): Buffer | undefined {
    const keys = MASTER_FORMATS.map((format) => pictureKey(id, version, renditionName({ format })));
    return keys.map((key) => this.cache.get(key)).find((bytes) => bytes !== undefined);
  }

  /** A rendition can always be made again: that it could not be kept is for the log only. */
  private keepAside(key: string, bytes: Buffer, wanted: Wanted): void {
    this.keep(key, bytes, wanted).catch((error: unknown) => {
      const passing = isAway(error) || error instanceof StorageBusy;
      this.logger[passing ? 'debug' : 'warn'](
        { key, err: error },
        'a rendition could not be kept in the storage',
      );
    });
  }

  /** Whoever wants the same one kept at the same time waits for the same. @returns whether it is kept: not where it was erased */
  private keep(key: string, bytes: Buffer, { id, version, rendition }: Wanted): Promise<boolean> {
    const underWay = this.keeping.get(key);
    if (underWay) return underWay;
    const keeping = this.surroundings
      .store(id, version, rendition, bytes)
      .finally(() => this.keeping.delete(key));
    this.keeping.set(key, keeping);
    return keeping;
  }
}
