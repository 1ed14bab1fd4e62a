import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { AvatarEvents, type AvatarListener } from '../avatars/avatar.events.js';
import { pictureUnreadable } from '../avatars/damage.js';
import { SingleFlight } from '../tools/single-flight.js';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { ImagePipeline, type Rendering, TooSlow } from '../images/image-pipeline.js';
import { inOwnMemory } from '../images/own-memory.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { prefixOf, versionOf } from '../model/keys.js';
import type { Version } from '../model/manifest.js';
import { type PictureRef, type Rendition, canBeMade, keyOfPicture } from '../model/rendition.js';
import { isAway } from '../storage/object-store.js';
import type { PictureMemory } from './picture.js';
import { type StoredPicture, StoredRenditions } from './stored-renditions.js';

/**
 * How long a rendition that took too long is not tried again, in ms: each attempt holds a turn for the whole
 * time-out.
 */
const TOO_SLOW_MS = 60_000;
/** How many such renditions are remembered. */
const TOO_SLOW_ENTRIES = 10_000;

/** How many pictures are remembered as stored. Each takes about 200 bytes. */
const STORED_ENTRIES = 20_000;

/**
 * The group in whose turns renditions of sizes are made that the store does not keep. Anybody can ask for
 * thousands of them, so those of all avatars share one part; the sizes of `AVATAR_SIZES` are made avatar by
 * avatar. It is no id.
 */
const OTHER_SIZES = 'other sizes';

/**
 * Gives the bytes of masters and renditions: from memory, otherwise from the store, otherwise made from the
 * master and stored. Callers that ask for the same picture at the same time share one answer.
 */
@Injectable()
export class Renditions implements AvatarListener, PictureMemory, OnModuleInit {
  private readonly logger = new Logger(Renditions.name);
  private readonly cache: LRUCache<string, Buffer>;
  /**
   * Keys of AVIFs that the store has. They are remembered apart from their bytes, which may not fit in
   * memory.
   */
  private readonly storedAvifs = new LRUCache<string, true>({ max: STORED_ENTRIES });
  /** Keys of pictures that were whole in the store, of those that have been read for readers who go there. */
  private readonly seenWhole = new LRUCache<string, true>({ max: STORED_ENTRIES });
  /** Pictures being read or made, and those being read only, by key. */
  private readonly loading = new SingleFlight<Buffer | undefined>();
  private readonly finding = new SingleFlight<Buffer | undefined>();
  private readonly tooSlow = new LRUCache<string, true>({ max: TOO_SLOW_ENTRIES, ttl: TOO_SLOW_MS });
  private hits = 0;
  private misses = 0;

  constructor(
    private readonly stored: StoredRenditions,
    private readonly pipeline: ImagePipeline,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, Math.floor(cacheSharesOf(settings).pictures)),
      sizeCalculation: (bytes) => Math.max(1, bytes.length),
    });
  }

  onModuleInit(): void {
    this.events.subscribe(this);
  }

  usage(): CacheUsage {
    const { hits, misses, cache } = this;
    return { hits, misses, entries: cache.size, bytes: cache.calculatedSize };
  }

  /**
   * Gives the bytes of a picture.
   * @returns undefined if there is no such version, or no such rendition of it, or it was erased a moment ago
   * @throws CodedError `picture_unreadable` if the picture is a damaged or lost master, or has to be made
   * from one; what the pipeline and the store throw
   */
  async get(picture: PictureRef): Promise<Buffer | undefined> {
    const known = this.inMemory(keyOfPicture(picture));
    if (known) return known;
    this.misses++;
    return this.fetch(picture);
  }

  inMemory(key: string): Buffer | undefined {
    const known = this.cache.get(key);
    if (known) this.hits++;
    return known;
  }

  /**
   * Whether a picture is in memory; an AVIF, which takes long to make, also if it is known to be in the
   * store, whoever made it.
   */
  isAtHand(key: string): boolean {
    return this.cache.has(key) || this.storedAvifs.has(key);
  }

  /**
   * Gives a picture that `isAtHand`. Unlike `get`, it never makes one.
   * @returns undefined if it is not there after all, or the store is away. It is then no longer at hand
   * @throws what the store throws otherwise
   */
  async find(picture: PictureRef): Promise<Buffer | undefined> {
    const key = keyOfPicture(picture);
    const known = this.inMemory(key);
    if (known) return known;
    this.misses++;
    return this.finding.run(key, async () => {
      const found = await this.fromStore(picture, true);
      if (found && found.damage === undefined) {
        this.remember(picture, found.bytes);
        return found.bytes;
      }
      this.storedAvifs.delete(key);
      return undefined;
    });
  }

  /** Makes sure that a picture is at hand. It does not count as a read. @throws what `get` throws */
  async prepare(picture: PictureRef): Promise<void> {
    if (!this.cache.has(keyOfPicture(picture))) await this.fetch(picture);
  }

  /** Resolves once a picture that was made is no longer on its way to the store. */
  waitUntilStored(key: string): Promise<void> {
    return this.stored.waitFor((one) => one === key);
  }

  /**
   * Keeps the master of a new version in memory: should the store go away now, everything can be made from
   * it.
   */
  published(id: string, { version, master: format }: Version, master: Buffer): void {
    this.remember({ id, version, master: format, rendition: { format } }, inOwnMemory(master));
  }

  /** Keeps a picture in memory, unless it was erased while it was read or made. */
  remember(picture: PictureRef, bytes: Buffer): void {
    if (!this.stored.isErased(picture)) this.cache.set(keyOfPicture(picture), bytes);
  }

  /** Whether a picture that was made would still be there for the next reader. */
  canKeep({ rendition }: PictureRef): boolean {
    return this.isKept(rendition) || cacheSharesOf(this.settings).pictures > 0;
  }

  /** Forgets the erased pictures of an avatar, and waits until none of them is on its way to the store. */
  async erased(id: string, covers: (version: string) => boolean): Promise<void> {
    const prefix = prefixOf(id);
    const isGone = (key: string) => key.startsWith(prefix) && covers(versionOf(key) ?? '');
    for (const known of [this.cache, this.storedAvifs]) {
      for (const key of known.keys()) if (isGone(key)) known.delete(key);
    }
    await this.stored.waitFor(isGone);
  }

  /**
   * Makes sure that the store has the whole picture, for readers that go there directly. It is read once by
   * this process; from then on the store is only asked whether it is there.
   * @returns whether it has; false if its version was erased or its master is gone
   * @throws what `get` throws
   */
  async ensureKept(picture: PictureRef): Promise<boolean> {
    const key = keyOfPicture(picture);
    if (this.seenWhole.has(key) && (await this.stored.has(picture))) return true;
    const bytes = await this.get(picture);
    if (bytes === undefined || !(await this.stored.ensure(picture, bytes))) return false;
    this.seenWhole.set(key, true);
    return true;
  }

  private fetch(picture: PictureRef): Promise<Buffer | undefined> {
    const key = keyOfPicture(picture);
    return this.loading.run(key, async () => {
      const bytes = await this.load(key, picture);
      if (bytes) this.remember(picture, bytes);
      return bytes;
    });
  }

  private async load(key: string, picture: PictureRef): Promise<Buffer | undefined> {
    const { id, rendition } = picture;
    const { size, format, still, exact } = rendition;
    if (!canBeMade(rendition)) return undefined;
    const isKept = this.isKept(rendition);
    const found = size === undefined || isKept ? await this.fromStore(picture) : undefined;
    const damage = found?.damage;
    if (found && damage === undefined) {
      this.isNowStored(key, picture);
      return found.bytes;
    }
    if (size === undefined) {
      const lost = damage === undefined && (await this.stored.isLost(picture));
      if (damage === undefined && !lost) return undefined;
      throw pictureUnreadable(key, damage ?? 'It is not in the storage.');
    }
    if (damage !== undefined) {
      this.logger.warn({ key, damage }, 'a damaged rendition in the storage is made again from its master');
    }
    const master = await this.master(picture);
    if (!master) return undefined;
    const group = isKept ? id : OTHER_SIZES;
    const bytes = await this.render(key, group, master, { size, format, still, exact });
    if (isKept) {
      void this.stored.keepInBackground(picture, bytes).then((stored) => {
        if (stored) this.isNowStored(key, picture);
      });
    }
    return bytes;
  }

  /** Whether the store keeps a rendition. */
  private isKept({ size, unstored }: Rendition): boolean {
    return size !== undefined && !unstored;
  }

  private isNowStored(key: string, { rendition }: PictureRef): void {
    if (rendition.format === 'avif') this.storedAvifs.set(key, true);
  }

  /**
   * Makes a rendition.
   * @throws TooSlow without an attempt if the last one took too long and is less than `TOO_SLOW_MS` ago
   */
  private async render(key: string, group: string, master: Buffer, rendering: Rendering): Promise<Buffer> {
    const left = this.tooSlow.getRemainingTTL(key);
    if (left > 0) throw new TooSlow({ logged: true, retryAfter: Math.ceil(left / 1000) });
    try {
      return await this.pipeline.render(master, rendering, group);
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      this.tooSlow.set(key, true);
      throw new TooSlow({ cause: error.cause, retryAfter: TOO_SLOW_MS / 1000 });
    }
  }

  /**
   * Reads a picture from the store. If the store is away, gives undefined for a rendition that can be done
   * without.
   * @param optional another picture would do
   */
  private async fromStore(picture: PictureRef, optional = false): Promise<StoredPicture | undefined> {
    try {
      return await this.stored.get(picture);
    } catch (error) {
      const canBeRendered =
        picture.rendition.size !== undefined && this.cache.has(keyOfPicture(masterOf(picture)));
      const canDoWithout = optional || canBeRendered;
      if (!isAway(error) || !canDoWithout) throw error;
      return undefined;
    }
  }

  /**
   * Finds the master of a version, which may have left the manifest: its URLs work as long as its master is
   * there.
   */
  private master(picture: PictureRef): Promise<Buffer | undefined> {
    const master = masterOf(picture);
    const known = this.cache.get(keyOfPicture(master));
    return known ? Promise.resolve(known) : this.get(master);
  }
}

function masterOf(picture: PictureRef): PictureRef {
  return { ...picture, rendition: { format: picture.master } };
}
