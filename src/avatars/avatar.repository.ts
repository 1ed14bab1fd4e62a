import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Injectable, Logger } from '@nestjs/common';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { aliasesOf } from '../model/alias.js';
import { manifestKey } from '../model/keys.js';
import { ManifestUnreadable, readManifest, writeManifest } from '../model/manifest-format.js';
import { type Intent, type Manifest, apply, emptyManifest, isErased } from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import {
  type CallOptions,
  type GetOptions,
  ObjectDamaged,
  ObjectStore,
  PreconditionFailed,
  type StoredObject,
  isAway,
} from '../storage/object-store.js';
import { KeyedMutex } from '../tools/keyed-mutex.js';
import { LogOnce } from '../tools/log-once.js';
import { SingleFlight } from '../tools/single-flight.js';
import { AvatarEvents } from './avatar.events.js';
import { type CachedManifest, ManifestCache, type Snapshot } from './manifest-cache.js';
import { PendingChanges } from './pending-changes.js';
import { type ReadToken, isFresh, isKeepable, overrules } from './read-token.js';

const BUSY = 'Too many changes of this avatar at the same time. Try again shortly.';

/** A change did not begin, because the changes before it took too long. Nothing of it is in the store. */
export class ChangeNotBegun extends CodedError {
  constructor() {
    super('busy', BUSY);
  }
}

/** How many damages of manifests are remembered as logged. */
const MAX_DAMAGED = 1000;

/** Tells how far something that is known about an avatar can be trusted. */
export interface Vouched {
  /**
   * Whether the store confirmed it at most `CACHE_MAX_AGE_MS` ago, or a second. Otherwise the store is away or slow, this was last known,
   * and the avatar may be erased by now: nobody may cache an answer made from it.
   */
  verified: boolean;
}

/** A manifest from memory, with the tokens of the very read that it came from. */
export interface CachedRead extends Vouched {
  manifest: Manifest;
  /** Set if only pending changes are known: why the store could not tell the rest. */
  incomplete?: Error;
  /** While all of them hold, the same would be read again. Undefined if only the store can tell. */
  tokens: readonly ReadToken[] | undefined;
}

/** Gives the intent for a manifest; undefined if there is nothing to change. */
export type Decide<Wanted extends Intent> = (manifest: Manifest) => Wanted | undefined;

/** The result of a change. */
export interface Changed<Wanted extends Intent> {
  /** The manifest that is in the store now. */
  manifest: Manifest;
  /** The intent that the manifest holds; undefined if there was nothing to change. */
  intent: Wanted | undefined;
}

/** The manifest that a snapshot would become. */
interface Plan<Wanted extends Intent> extends Changed<Wanted> {
  /** The store has it already. */
  isStored: boolean;
}

/**
 * Reads manifests, from the store or from memory, and changes them by compare and swap. Apart from `readStored`, its reads include pending
 * changes.
 */
@Injectable()
export class AvatarRepository {
  private readonly logger = new Logger(AvatarRepository.name);
  private readonly damaged = new LogOnce(Infinity, MAX_DAMAGED);
  private readonly cache: ManifestCache;
  private readonly reading = new SingleFlight<CachedManifest>();
  private readonly changes = new KeyedMutex();
  private vanishedCount = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly pending: PendingChanges,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {
    this.cache = new ManifestCache(settings, cacheSharesOf(settings).manifests);
  }

  /** How well the memory of `readCached` is used. */
  usage(): CacheUsage {
    return this.cache.usage();
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
    return (await this.revalidate(id, { forChange: true })).snapshot.manifest;
  }

  /**
   * The manifest as this process knows it: at most `CACHE_MAX_AGE_MS` old, or at most `CACHE_MAX_STALE_MS` while the store is away. After
   * that only pending changes are known. One request to the store serves all callers that wait for it.
   * @throws ManifestUnreadable; what the store throws, if nothing is known that may still be shown
   */
  async readCached(id: string): Promise<CachedRead> {
    const entry = this.cache.get(id);
    if (entry && isFresh(entry.token)) {
      this.cache.countHit();
      return this.readOf(id, entry);
    }
    this.cache.countMiss();
    try {
      return this.readOf(id, await this.revalidateOnce(id));
    } catch (error) {
      const known = isAway(error) ? this.readWhileAway(id, error) : undefined;
      if (!known) throw error;
      return known;
    }
  }

  /** Whether what was read with a token would be read again. Looks at the clock and at memory only. */
  holds(token: ReadToken): boolean {
    if (!isFresh(token)) return false;
    return token.id === undefined || this.pending.of(token.id).length === 0;
  }

  /** Whether `readCached` answers without the store. */
  isFresh(id: string): boolean {
    const entry = this.cache.get(id);
    return entry !== undefined && isFresh(entry.token);
  }

  /** Counts a manifest that was not read again because its token holds. */
  countHit({ id }: ReadToken): void {
    if (id !== undefined) this.cache.countHit();
  }

  /**
   * The manifest as this process knows it, however old. Use it for changes, which are checked against the store later, and never show it.
   * @returns undefined if nothing is known about the avatar
   */
  lastKnown(id: string): Manifest | undefined {
    const entry = this.cache.get(id);
    if (!entry && this.pending.of(id).length === 0) return undefined;
    return this.withPending(entry?.snapshot.manifest ?? emptyManifest(id));
  }

  /** Whether a version is known to be erased, also by an erasure that waits. Looks at memory only. */
  knowsErased(id: string, version: string): boolean {
    const known = this.lastKnown(id);
    return known !== undefined && isErased(known, version);
  }

  /**
   * Changes an avatar: asks `decide` for the intent, and writes the result if the manifest in the store is still the same. Otherwise it
   * reads the manifest and starts again.
   * @param decide may be called several times. If it throws about the manifest in the store, the change ends
   * @throws ChangeNotBegun if the changes before it took too long; CodedError `busy` if others kept writing; what the store throws
   */
  async change<Wanted extends Intent>(id: string, decide: Decide<Wanted>): Promise<Changed<Wanted>> {
    const deadline = performance.now() + this.settings.avatarCommitTimeoutMs;
    const swapped = async () => {
      const first = await this.changeLastRead(id, decide);
      if (first) return first;
      for (let attempt = 1; ; attempt++) {
        const { snapshot } = await this.revalidate(id, { forChange: true });
        const plan = this.planOf(snapshot, decide);
        if (plan.isStored || (await this.swap(id, snapshot, plan.manifest))) return plan;
        if (performance.now() > deadline) throw new CodedError('busy', BUSY);
        await sleep(Math.random() * Math.min(10 * attempt, 200));
      }
    };
    return this.changes.run(id, swapped, { deadline, tooLate: () => new ChangeNotBegun() });
  }

  /** Applies pending changes to a manifest. */
  withPending(manifest: Manifest): Manifest {
    const { avatarHistory } = this.settings;
    return this.pending
      .of(manifest.id)
      .reduce((shown, intent) => apply(shown, intent, avatarHistory), manifest);
  }

  private readOf(id: string, entry: CachedManifest): CachedRead {
    const { snapshot, token } = entry;
    const mayRepeat = isFresh(token) && this.pending.of(id).length === 0;
    return {
      manifest: this.withPending(snapshot.manifest),
      verified: isKeepable(token),
      tokens: mayRepeat ? [token] : undefined,
    };
  }

  private readWhileAway(id: string, away: Error): CachedRead | undefined {
    const entry = this.cache.get(id);
    const unverified = { verified: false, tokens: undefined };
    if (entry && this.cache.mayBeShownStale(entry)) {
      return { manifest: this.withPending(entry.snapshot.manifest), ...unverified };
    }
    if (this.pending.of(id).length === 0) return undefined;
    return { manifest: this.withPending(emptyManifest(id)), ...unverified, incomplete: away };
  }

  /** Callers share the answer of a request under way, unless it began before `CACHE_MAX_AGE_MS`: what it tells may be as old. */
  private revalidateOnce(id: string): Promise<CachedManifest> {
    const { cacheMaxAgeMs } = this.settings;
    if (cacheMaxAgeMs === 0) return this.revalidate(id);
    return this.reading.run(id, () => this.revalidate(id), cacheMaxAgeMs);
  }

  /**
   * Tries the swap on the manifest in memory. That usually works and saves a call to the store, since every change starts with a read.
   * Only a swap proves that nobody wrote since then, so without one nothing is concluded.
   * @returns undefined if the manifest has to be read
   */
  private async changeLastRead<Wanted extends Intent>(
    id: string,
    decide: Decide<Wanted>,
  ): Promise<Changed<Wanted> | undefined> {
    const before = this.cache.get(id)?.snapshot;
    if (!before) return undefined;
    let plan: Plan<Wanted>;
    try {
      plan = this.planOf(before, decide);
    } catch {
      // This may be due to the old manifest. `decide` is asked again about the new one.
      return undefined;
    }
    return !plan.isStored && (await this.swap(id, before, plan.manifest)) ? plan : undefined;
  }

  private planOf<Wanted extends Intent>({ manifest, etag }: Snapshot, decide: Decide<Wanted>): Plan<Wanted> {
    const intent = decide(manifest);
    if (!intent) return { manifest, intent, isStored: true };
    const changed = apply(manifest, intent, this.settings.avatarHistory);
    return {
      manifest: changed,
      intent,
      isStored: etag !== undefined && isDeepStrictEqual(changed, manifest),
    };
  }

  /** Writes a manifest if the store still has the one before. @returns whether it had */
  private async swap(id: string, before: Snapshot, manifest: Manifest): Promise<boolean> {
    const bytes = writeManifest(manifest);
    const begunAt = performance.now();
    try {
      const { etag } = await this.store.store(manifestKey(id), bytes, {
        ...(before.etag === undefined ? { ifAbsent: true } : { ifMatch: before.etag }),
        ...MANIFEST_ATTRIBUTES,
      });
      // Others may have built on it before its answer came; reads that began before the answer may have missed it.
      const change = { newerThan: performance.now(), replaced: before.etag };
      this.cache.keep(id, { manifest, etag, bytes: bytes.length }, begunAt, change);
    } catch (error) {
      if (error instanceof PreconditionFailed) return false;
      // The store may have written it all the same.
      this.changed(before.manifest, manifest);
      throw error;
    }
    this.changed(before.manifest, manifest);
    return true;
  }

  private changed(before: Manifest, after: Manifest): void {
    this.reading.leave(after.id);
    const aliases = [...new Set([...aliasesOf(before), ...aliasesOf(after)])];
    const aliased = before.aliases?.at !== after.aliases?.at;
    const registered = aliased && aliasesOf(after).length > 0;
    this.events.changed({ id: after.id, aliases, aliased, registered });
  }

  private async revalidate(id: string, options: CallOptions = {}): Promise<CachedManifest> {
    const known = this.cache.get(id);
    const readAt = performance.now();
    const snapshot = await this.load(id, known?.snapshot, options);
    const latest = this.cache.get(id);
    if (latest !== known) {
      const read = { readAt, etag: snapshot.etag };
      if (latest && overrules({ ...latest, etag: latest.snapshot.etag }, read)) return latest;
      const token = { id, readAt, maxAgeMs: 0, gone: true };
      return { snapshot, token, newerThan: readAt };
    }
    if (known?.snapshot !== snapshot) return this.cache.keep(id, snapshot, readAt);
    // Answers made from this snapshot stay valid.
    known.token.readAt = Math.max(known.token.readAt, readAt);
    return known;
  }

  private async load(id: string, known: Snapshot | undefined, options: CallOptions): Promise<Snapshot> {
    const object = await this.readObject(id, {
      ...options,
      ...(known?.etag !== undefined && { ifNoneMatch: known.etag }),
    });
    if (object === 'unchanged' && known) return known;
    if (object === undefined && known && known.etag === undefined) return known;
    if (object === undefined && known) this.logVanished(id);
    if (object === undefined || object === 'unchanged')
      return { manifest: emptyManifest(id), etag: undefined, bytes: 0 };
    return { manifest: this.parse(id, object), etag: object.etag, bytes: object.bytes.length };
  }

  /** @throws ManifestUnreadable also if the store has other bytes than were stored */
  private async readObject(id: string, options: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    const key = manifestKey(id);
    try {
      return await this.store.get(key, options);
    } catch (error) {
      if (!(error instanceof ObjectDamaged)) throw error;
      throw this.unreadable(new ManifestUnreadable(key, ObjectDamaged.REASON), '');
    }
  }

  /** Logs only the first one: all of them may be gone. */
  private logVanished(id: string): void {
    if (this.vanishedCount++ > 0) return;
    this.logger.error(
      { key: manifestKey(id) },
      'a manifest that was in the storage is gone: something other than Visage deleted it, or emptied the storage. Restore a backup. ' +
        'The metric visage_manifests_vanished_total counts further ones',
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
