import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { Logger } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { CodedError } from '../errors.js';
import type { CacheUsage } from '../model/cache-usage.js';
import { manifestKey } from '../model/keys.js';
import {
  type Intent,
  type Manifest,
  ManifestUnreadable,
  apply,
  emptyManifest,
  readManifest,
  writeManifest,
} from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { KeyedMutex } from '../storage/keyed-mutex.js';
import {
  type CallOptions,
  type ObjectStore,
  PreconditionFailed,
  type StoredObject,
  isAway,
} from '../storage/object-store.js';
import { SingleFlight } from './single-flight.js';

export interface AvatarRepositoryOptions {
  /** Versions kept in a manifest. */
  history: number;
  /** How long a change may wait for other changes of the same avatar, those of this process and of others together, in ms. */
  commitTimeoutMs: number;
  /** How old a manifest may be that `recall` gives, in ms; 0: every call asks the store. */
  maxAgeMs: number;
  /** How old it may be while the store is away, in ms; 0: `recall` then gives only what is pending. */
  maxStaleMs: number;
  /** Bytes of manifests kept in memory. */
  cacheBytes: number;
}

const BUSY = 'Too many changes of this avatar at the same time. Try again shortly.';

/** The changes before it took so long that a change did not begin: nothing of it is in the store. */
export class ChangeNotBegun extends CodedError {
  constructor() {
    super('busy', BUSY);
  }
}

/** How many damaged manifests are remembered as logged. */
const DAMAGED = 1000;

/** Intents that were accepted and are not in the store yet. */
export interface PendingIntents {
  of(id: string): readonly Intent[];
}

/** Something that is known of an avatar. */
export interface Vouched {
  /**
   * Whether the store said so at most `maxAgeMs` ago. Otherwise it is away, and this is what was last known: it may be erased by now,
   * so that nobody may keep an answer made from it.
   */
  verified: boolean;
}

export interface Recalled extends Vouched {
  manifest: Manifest;
  /** Set if only what is pending is known: why the store could not tell the rest. */
  incomplete?: Error;
}

/** What is wanted of a manifest; undefined where all is as wished. */
type Decide = (manifest: Manifest) => Intent | undefined;

interface Snapshot {
  readonly manifest: Manifest;
  /** Undefined where the store has no manifest. */
  readonly etag: string | undefined;
  readonly bytes: number;
}

interface Entry {
  readonly snapshot: Snapshot;
  /** By the monotonic clock, in ms. */
  readAt: number;
  /** It has left the cache. */
  gone: boolean;
}

/**
 * The manifests: read fresh, read from memory, and changed by compare and swap. What is read shows what is pending as done
 * already.
 */
export class AvatarRepository {
  private readonly logger = new Logger(AvatarRepository.name);
  /** The etag of each damaged manifest that was logged, by its key: once for each damage, however often it is asked for. */
  private readonly damaged = new LRUCache<string, string>({ max: DAMAGED });
  private readonly cache: LRUCache<string, Entry>;
  private readonly reading = new SingleFlight<Snapshot>();
  private readonly changes = new KeyedMutex();
  private hits = 0;
  private misses = 0;
  private gone = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly pending: PendingIntents,
    private readonly options: AvatarRepositoryOptions,
  ) {
    this.cache = new LRUCache({
      maxSize: Math.max(1, options.cacheBytes),
      sizeCalculation: ({ snapshot }, key) => snapshot.bytes + key.length + 200,
      dispose: (entry) => {
        entry.gone = true;
      },
    });
  }

  /** Of what `recall` was asked for. */
  usage(): CacheUsage {
    const { hits, misses, cache } = this;
    return { hits, misses, entries: cache.size, bytes: cache.calculatedSize };
  }

  /** Manifests that were in the store and are there no more. Visage never deletes one. */
  get vanished(): number {
    return this.gone;
  }

  /** The manifest as it is in the store now; an empty one where there is none. @throws ManifestUnreadable */
  async read(id: string): Promise<Manifest> {
    return this.withPending(await this.readStored(id));
  }

  /** The same without what is pending. */
  async readStored(id: string): Promise<Manifest> {
    return (await this.revalidate(id, { forChange: true })).manifest;
  }

  /**
   * The manifest as this process knows it, at most `maxAgeMs` old, or at most `maxStaleMs` while the store is away, and later only
   * what is pending. One request to the store serves all who wait.
   * @throws what the store throws, where nothing is known that may still be shown
   */
  async recall(id: string): Promise<Recalled> {
    const entry = this.cache.get(id);
    if (entry && this.isFresh(entry)) {
      this.hits++;
      return { manifest: this.withPending(entry.snapshot.manifest), verified: true };
    }
    this.misses++;
    try {
      return { manifest: this.withPending((await this.revalidateOnce(id)).manifest), verified: true };
    } catch (error) {
      const known = isAway(error) ? this.recallAway(id, error) : undefined;
      if (!known) throw error;
      return known;
    }
  }

  /**
   * What tells, at the cost of reading a clock, whether the manifest that `recall` just gave would still be given.
   * @returns undefined where that cannot be known without the store
   */
  validity(id: string): (() => boolean) | undefined {
    const entry = this.cache.get(id);
    const isValid = () => entry !== undefined && this.isFresh(entry) && this.pending.of(id).length === 0;
    if (!isValid()) return undefined;
    return () => {
      const valid = isValid();
      if (valid) this.hits++;
      return valid;
    };
  }

  /**
   * The manifest as this process knows it, however old: for a change, which is weighed against the one in the store later, and not to
   * be shown. @returns undefined where it knows nothing of the avatar
   */
  lastKnown(id: string): Manifest | undefined {
    const entry = this.cache.get(id);
    if (!entry && this.pending.of(id).length === 0) return undefined;
    return this.withPending(entry?.snapshot.manifest ?? emptyManifest(id));
  }

  /**
   * Changes an avatar: asks what is wanted of its manifest, writes the result if that is still the manifest in the store, and else
   * reads it and begins again.
   * @param decide gets a manifest, and gives the intent, or nothing where all is as wished; it may be called several times, and what
   * it throws of the manifest as it is in the store ends the change
   * @returns the manifest that holds the change
   * @throws ChangeNotBegun where the changes before it took too long; CodedError `busy` where others kept writing; what the store throws
   */
  async change(id: string, decide: Decide): Promise<Manifest> {
    const deadline = performance.now() + this.options.commitTimeoutMs;
    const swapped = async () => {
      const first = await this.changeLastRead(id, decide);
      if (first) return first;
      for (let attempt = 1; ; attempt++) {
        const before = await this.revalidate(id, { forChange: true });
        const changed = this.changed(before, decide);
        if (!changed) return before.manifest;
        if (await this.swap(id, before, changed)) return changed;
        if (performance.now() > deadline) throw new CodedError('busy', BUSY);
        await sleep(Math.random() * Math.min(10 * attempt, 200));
      }
    };
    return this.changes.run(id, swapped, { deadline, tooLate: () => new ChangeNotBegun() });
  }

  /** A manifest with what is pending done already. */
  withPending(manifest: Manifest): Manifest {
    const pending = this.pending.of(manifest.id);
    return pending.reduce((shown, intent) => apply(shown, intent, this.options.history), manifest);
  }

  private recallAway(id: string, away: Error): Recalled | undefined {
    const entry = this.cache.get(id);
    if (entry && performance.now() - entry.readAt < this.options.maxStaleMs) {
      return { manifest: this.withPending(entry.snapshot.manifest), verified: false };
    }
    if (this.pending.of(id).length === 0) return undefined;
    return { manifest: this.withPending(emptyManifest(id)), verified: false, incomplete: away };
  }

  private isFresh({ readAt, gone }: Entry): boolean {
    return !gone && performance.now() - readAt < this.options.maxAgeMs;
  }

  private keep(id: string, snapshot: Snapshot, readAt: number): void {
    this.cache.set(id, { snapshot, readAt, gone: false });
  }

  /** Who asks while a request is on its way gets its answer; with a `maxAgeMs` of 0 it may be older than the question. */
  private revalidateOnce(id: string): Promise<Snapshot> {
    if (this.options.maxAgeMs === 0) return this.revalidate(id);
    return this.reading.run(id, () => this.revalidate(id));
  }

  /**
   * Mostly enough, and a call to the store less: whoever changes an avatar has just looked at it. That nobody wrote since then only a
   * swap proves, so without one nothing is concluded.
   * @returns undefined where the manifest has to be read
   */
  private async changeLastRead(id: string, decide: Decide): Promise<Manifest | undefined> {
    const before = this.cache.get(id)?.snapshot;
    if (!before) return undefined;
    let changed: Manifest | undefined;
    try {
      changed = this.changed(before, decide);
    } catch {
      // It may be wrong of an old manifest only, and is asked again of the new one.
    }
    return changed && (await this.swap(id, before, changed)) ? changed : undefined;
  }

  /** @returns undefined where all is as wished */
  private changed({ manifest, etag }: Snapshot, decide: Decide): Manifest | undefined {
    const intent = decide(manifest);
    const changed = intent && apply(manifest, intent, this.options.history);
    return etag !== undefined && isDeepStrictEqual(changed, manifest) ? undefined : changed;
  }

  /** @returns whether nobody else was faster */
  private async swap(id: string, before: Snapshot, manifest: Manifest): Promise<boolean> {
    const bytes = writeManifest(manifest);
    try {
      const { etag } = await this.store.store(manifestKey(id), bytes, {
        ...(before.etag === undefined ? { ifAbsent: true } : { ifMatch: before.etag }),
        ...MANIFEST_ATTRIBUTES,
      });
      this.keep(id, { manifest, etag, bytes: bytes.length }, performance.now());
      return true;
    } catch (error) {
      if (error instanceof PreconditionFailed) return false;
      throw error;
    }
  }

  private async revalidate(id: string, options: CallOptions = {}): Promise<Snapshot> {
    const known = this.cache.get(id);
    const readAt = performance.now();
    const snapshot = await this.load(id, known?.snapshot, options);
    // A change that was committed here while we read is newer than what we read.
    if (this.cache.peek(id) !== known) return snapshot;
    // What was answered of it holds on.
    if (known?.snapshot === snapshot) known.readAt = readAt;
    else this.keep(id, snapshot, readAt);
    return snapshot;
  }

  private async load(id: string, known: Snapshot | undefined, options: CallOptions): Promise<Snapshot> {
    const object = await this.store.get(manifestKey(id), {
      ...options,
      ...(known?.etag !== undefined && { ifNoneMatch: known.etag }),
    });
    if (object === 'unchanged' && known) return known;
    if (object === undefined && known && known.etag === undefined) return known;
    if (object === undefined && known) this.tellVanished(id);
    if (object === undefined || object === 'unchanged')
      return { manifest: emptyManifest(id), etag: undefined, bytes: 0 };
    return { manifest: this.parse(id, object), etag: object.etag, bytes: object.bytes.length };
  }

  /** Logged once, since it may be all of them. */
  private tellVanished(id: string): void {
    if (this.gone++ > 0) return;
    this.logger.error(
      { key: manifestKey(id) },
      'a manifest that was in the storage is gone: something else deleted it, or emptied the storage. Restore a backup. Others are ' +
        'counted in visage_manifests_vanished_total',
    );
  }

  private parse(id: string, { bytes, etag }: StoredObject): Manifest {
    try {
      return readManifest(id, bytes);
    } catch (error) {
      if (error instanceof ManifestUnreadable && this.damaged.get(error.key) !== etag) {
        this.damaged.set(error.key, etag);
        this.logger.error({ key: error.key, reason: error.reason }, 'a manifest cannot be read');
      }
      throw error;
    }
  }
}
