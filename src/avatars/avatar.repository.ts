import { Injectable, Logger } from '@nestjs/common';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { manifestKey } from '../model/keys.js';
import { ManifestUnreadable, readManifest } from '../model/manifest-format.js';
import { apply } from '../model/intents.js';
import { type Manifest, emptyManifest, isErased } from '../model/manifest.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import {
  type CallOptions,
  type GetOptions,
  ObjectDamaged,
  ObjectStore,
  type StoredObject,
  isAway,
} from '../storage/object-store.js';
import { LogOnce } from '../tools/log-once.js';
import { PendingChanges } from './pending-changes.js';
import { type Known, ReadMemory, type Stored } from './read-memory.js';
import { type Read, UNVERIFIED } from './read.js';
import { type ReadToken, isFresh, isKeepable } from './read-token.js';

/** How many damages of manifests are remembered as logged. */
const MAX_DAMAGED = 1000;

/** Memory of a manifest beside its bytes, generously, in bytes. */
const OVERHEAD_BYTES = 200;

/** A manifest from memory. */
export interface ManifestRead extends Read<Manifest> {
  /** Set if only pending changes are known: why the store could not tell the rest. */
  incomplete?: Error;
}

/** A manifest, and its size in the store in bytes. */
interface Sized {
  readonly manifest: Manifest;
  readonly bytes: number;
}

/** A manifest as the store had it at some moment. */
export type Snapshot = Stored<Sized>;

/**
 * Reads manifests, from the store or from memory. Apart from `readStored` and snapshots, its reads include
 * pending changes.
 */
@Injectable()
export class AvatarRepository {
  private readonly logger = new Logger(AvatarRepository.name);
  private readonly damaged = new LogOnce(Infinity, MAX_DAMAGED);
  private readonly memory: ReadMemory<Sized>;
  private vanishedCount = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly pending: PendingChanges,
    private readonly settings: Settings,
  ) {
    this.memory = new ReadMemory<Sized>(
      {
        maxBytes: cacheSharesOf(settings).manifests,
        bytesOf: ({ bytes }, id) => bytes + id.length + OVERHEAD_BYTES,
        tokenOf: (_, id) => ({ id, maxAgeMs: settings.cacheMaxAgeMs }),
      },
      settings,
    );
  }

  /** How well the memory of `readCached` is used. */
  usage(): CacheUsage {
    return this.memory.usage();
  }

  /** How many manifests have vanished from the store. Visage never deletes one. */
  get vanished(): number {
    return this.vanishedCount;
  }

  /**
   * The manifest in the store now, with pending changes; an empty one if there is none.
   * @throws ManifestUnreadable, and what the store throws
   */
  async readFresh(id: string): Promise<Manifest> {
    return this.withPending(await this.readStored(id));
  }

  /** The same without pending changes. */
  async readStored(id: string): Promise<Manifest> {
    return (await this.readSnapshot(id)).value.manifest;
  }

  /**
   * Reads a manifest for a change that may wait: if the store is away, gives the last known one.
   * @param exact the change is only right if the store confirms what is current
   * @throws what `read` throws, unless the change may wait
   */
  async readOrLastKnown(
    id: string,
    exact: boolean,
    read: () => Promise<Manifest>,
  ): Promise<{ manifest: Manifest; away?: Error }> {
    try {
      return { manifest: await read() };
    } catch (error) {
      if (exact || !this.pending.enabled || !isAway(error)) throw error;
      return { manifest: this.lastKnown(id) ?? emptyManifest(id), away: error };
    }
  }

  /**
   * The manifest as this process knows it: at most `CACHE_MAX_AGE_MS` old, or at most `CACHE_MAX_STALE_MS`
   * while the store is away. After that only pending changes are known. One request to the store serves all
   * callers that wait for it.
   * @throws ManifestUnreadable; what the store throws, if nothing is known that may still be shown
   */
  readCached(id: string): Promise<ManifestRead> {
    return this.readUnlessAway(id, () => this.memory.freshOrRead(id, (known) => this.load(id, known)));
  }

  /**
   * The same as the store has it now, for a reader who knows more than this process: of a change by another
   * replica.
   */
  readCurrent(id: string): Promise<ManifestRead> {
    return this.readUnlessAway(id, () =>
      this.memory.read(id, (known) => this.load(id, known, { guessed: true })),
    );
  }

  /** Whether what was read with a token would be read again. Looks at the clock and at memory only. */
  isStillRight(token: ReadToken): boolean {
    if (!isFresh(token)) return false;
    return token.id === undefined || this.pending.intentsOf(token.id).length === 0;
  }

  /** Whether `readCached` answers without the store. */
  isFresh(id: string): boolean {
    const known = this.memory.get(id);
    return known !== undefined && isFresh(known.token);
  }

  /** Counts a manifest that was not read again because its token holds. */
  countHit({ id }: ReadToken): void {
    if (id !== undefined) this.memory.countHit();
  }

  /**
   * The manifest as this process knows it, however old. Use it for changes, which are checked against the
   * store later, and never show it.
   * @returns undefined if nothing is known about the avatar
   */
  lastKnown(id: string): Manifest | undefined {
    const known = this.memory.get(id);
    if (!known && this.pending.intentsOf(id).length === 0) return undefined;
    return this.withPending(known?.value.manifest ?? emptyManifest(id));
  }

  /** Whether a version is known to be erased, also by an erasure that waits. Looks at memory only. */
  knowsErased(id: string, version: string): boolean {
    const known = this.lastKnown(id);
    return known !== undefined && isErased(known, version);
  }

  /** Applies pending changes to a manifest. */
  withPending(manifest: Manifest): Manifest {
    const { avatarHistory } = this.settings;
    return this.pending
      .intentsOf(manifest.id)
      .reduce((shown, intent) => apply(shown, intent, avatarHistory), manifest);
  }

  /** What this process has last read or written of a manifest. */
  lastSnapshot(id: string): Snapshot | undefined {
    return this.memory.get(id);
  }

  /**
   * What the store has of a manifest, for a change of it.
   * @throws ManifestUnreadable, and what the store throws
   */
  readSnapshot(id: string): Promise<Snapshot> {
    return this.memory.read(id, (known) => this.load(id, known, { forChange: true }));
  }

  /** Remembers what this process has written. Parameters are those of `ReadMemory.written`. */
  written(snapshot: Snapshot, begunAt: number, replaced: string | undefined): void {
    this.memory.written(snapshot.value.manifest.id, snapshot, begunAt, replaced);
  }

  /**
   * What this process reads of an avatar may have missed a change: whoever reads it from now on asks the
   * store.
   */
  leaveReads(id: string): void {
    this.memory.leave(id);
  }

  private async readUnlessAway(id: string, read: () => Promise<Known<Sized>>): Promise<ManifestRead> {
    try {
      return this.readOf(id, await read());
    } catch (error) {
      const known = isAway(error) ? this.readWhileAway(id, error) : undefined;
      if (!known) throw error;
      return known;
    }
  }

  private readOf(id: string, { value: { manifest }, token }: Known<Sized>): ManifestRead {
    const mayRepeat = isFresh(token) && this.pending.intentsOf(id).length === 0;
    return {
      value: this.withPending(manifest),
      verified: isKeepable(token),
      tokens: mayRepeat ? [token] : undefined,
    };
  }

  private readWhileAway(id: string, away: Error): ManifestRead | undefined {
    const known = this.memory.stale(id);
    if (known) return { value: this.withPending(known.value.manifest), ...UNVERIFIED };
    if (this.pending.intentsOf(id).length === 0) return undefined;
    return { value: this.withPending(emptyManifest(id)), ...UNVERIFIED, incomplete: away };
  }

  private async load(id: string, known: Snapshot | undefined, options: CallOptions = {}): Promise<Snapshot> {
    const ifNoneMatch = known?.etag;
    const object = await this.readObject(id, {
      ...options,
      ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    });
    if (object === 'unchanged' && known) return known;
    if (object === undefined && ifNoneMatch !== undefined) this.logVanished(id);
    if (object === undefined || object === 'unchanged') {
      return { value: { manifest: emptyManifest(id), bytes: 0 }, etag: undefined };
    }
    return { value: { manifest: this.parse(id, object), bytes: object.bytes.length }, etag: object.etag };
  }

  /** @throws ManifestUnreadable also if the store has other bytes than were stored */
  private async readObject(id: string, options: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    const key = manifestKey(id);
    const object = await getUnlessDamaged(this.store, key, options);
    if (object === 'damaged') throw this.unreadable(new ManifestUnreadable(key, ObjectDamaged.REASON), '');
    return object;
  }

  /** Logs only the first one: all of them may be gone. */
  private logVanished(id: string): void {
    if (this.vanishedCount++ > 0) return;
    this.logger.error(
      { key: manifestKey(id) },
      'a manifest that was in the storage is gone: something other than Visage deleted it, or emptied the storage. ' +
        'Restore a backup. The metric visage_manifests_vanished_total counts further ones',
    );
  }

  private parse(id: string, { bytes, etag }: StoredObject): Manifest {
    try {
      return readManifest(id, bytes);
    } catch (error) {
      throw error instanceof ManifestUnreadable ? this.unreadable(error, etag) : error;
    }
  }

  /** Logs damage that has not been logged yet. @param etag tells one damage of an object from the next */
  private unreadable(error: ManifestUnreadable, etag: string): ManifestUnreadable {
    const { key, reason } = error;
    if (this.damaged.isFirst(`${key} ${etag}`)) {
      this.logger.error({ key, reason }, 'a manifest cannot be read: restore it from a backup');
    }
    return error;
  }
}
