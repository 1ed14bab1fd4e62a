import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import { cacheSharesOf } from '../config/cache-shares.js';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { aliasesOf, isNoAlias, listsAlias, targetOf, writeAlias } from '../model/alias.js';
import { AliasNames } from '../model/alias-names.js';
import { aliasKey } from '../model/keys.js';
import { instantAfter } from '../model/manifest.js';
import { MANIFEST_ATTRIBUTES } from '../model/object-attributes.js';
import { getUnlessDamaged } from '../storage/get-unless-damaged.js';
import {
  type GetOptions,
  ObjectStore,
  PreconditionFailed,
  type StoredObject,
  isAway,
} from '../storage/object-store.js';
import { AvatarEvents } from './avatar.events.js';
import { AvatarRepository } from './avatar.repository.js';
import { ManifestSwap } from './manifest-swap.js';
import { CERTAIN, type Read, UNVERIFIED, both } from './read.js';
import { type Known, ReadMemory, type Stored } from './read-memory.js';
import { isFresh, isKeepable } from './read-token.js';

/** Calls to the store at the same time, for the hashes of one avatar. */
const CONCURRENCY = 8;

const BUSY = 'Too many avatars are taking over an address or hash at the same time. Try again shortly.';

/** Memory of an entry, generously: a hash, an id and the objects around them. */
const ENTRY_BYTES = 512;

/** An alias as the store has it. Without an etag it is damaged. */
type Pointer = Pick<StoredObject, 'bytes'> & { etag?: string };

/** The id that an alias leads to; undefined if to none. */
type Target = string | undefined;

/**
 * Maps hashes of e-mail addresses to avatars. An object for each hash points at an id, and counts only if the
 * manifest of that id lists the hash. Pointers are stored before the manifest and removed after it: a crash
 * in between leaves a pointer that does not count. After a change of a list, `reconcile` compares both, since
 * another replica may have changed the same hash. A pointer that is removed is swapped for one that leads to
 * nobody, which is deleted much later: few servers delete on a condition, and a deletion that arrives late
 * would take what others have registered since.
 */
@Injectable()
export class Aliases {
  readonly names: AliasNames;
  private readonly memory: ReadMemory<Target>;

  constructor(
    private readonly store: ObjectStore,
    private readonly repository: AvatarRepository,
    private readonly manifests: ManifestSwap,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {
    this.names = new AliasNames(settings.aliasKey);
    this.memory = new ReadMemory<Target>(
      {
        maxBytes: cacheSharesOf(settings).aliases,
        bytesOf: () => ENTRY_BYTES,
        tokenOf: (id) => ({ maxAgeMs: this.maxAgeOf(id) }),
      },
      settings,
    );
  }

  /**
   * The avatar that a hash stands for, as this process knows it: at most `CACHE_MAX_AGE_MS` old, or at most
   * `CACHE_MAX_STALE_MS` while the store is away. That it stands for none may be as old as
   * `cacheUnknownHashMs`. One request to the store serves all callers that wait for it.
   * @param hash in lower case
   * @returns its id; undefined if it stands for none
   * @throws CodedError `manifest_unreadable`, and what the store throws
   */
  async resolve(hash: string): Promise<Read<string | undefined>> {
    const name = this.names.nameOf(hash);
    if (name === undefined) return { value: undefined, ...CERTAIN };
    const pointer = await this.readCached(name);
    if (pointer.value === undefined) return pointer;
    const { value: manifest, incomplete, ...read } = await this.repository.readCached(pointer.value);
    if (incomplete) throw incomplete;
    return { value: listsAlias(manifest, name) ? pointer.value : undefined, ...both(pointer, read) };
  }

  /** The hashes that stand for an avatar, sorted. @throws what the store throws, if they are not in memory */
  async hashesOf(id: string): Promise<readonly string[]> {
    const { value: manifest, incomplete } = await this.repository.readCached(id);
    if (incomplete) throw incomplete;
    return aliasesOf(manifest).flatMap((name) => this.names.hashOf(name) ?? []);
  }

  /**
   * Replaces all aliases of an avatar, also those that answer to nobody any more. A hash of another avatar
   * stands for this one from now on.
   * @param hashes those that `names` has a name for
   * @returns the same, sorted
   * @throws CodedError `busy`, and what the store throws
   */
  async replace(id: string, hashes: readonly string[]): Promise<readonly string[]> {
    const wanted = [...new Set(hashes)].sort();
    const names = wanted.map((hash) => this.names.nameOf(hash) ?? refuse());
    // The time of acceptance, not of the commit: an erasure that comes in between has to win.
    const at = instantAfter(await this.repository.readFresh(id), new Date());
    let pointed = false;
    await each(names, async (name) => {
      if (await this.point(name, id, () => true)) pointed = true;
    });
    const touched = new Set(names);
    await this.manifests.change(id, (manifest) => {
      const listed = aliasesOf(manifest);
      for (const name of listed) touched.add(name);
      const same = !pointed && listed.join() === names.join();
      return same ? undefined : { type: 'alias', at, hashes: names };
    });
    await this.reconcile(id, [...touched]);
    return wanted;
  }

  /**
   * Takes the avatar out of pointers to it, and out of unreadable ones. Leaves pointers that lead to another
   * avatar.
   * @returns how many there were
   */
  async remove(id: string, names: readonly string[]): Promise<number> {
    let removed = 0;
    await each(names, async (name) => {
      const pointer = await this.read(name);
      if (!pointer || isNoAlias(pointer) || (targetOf(pointer) ?? id) !== id) return;
      if (!(await this.swap(name, undefined, pointer))) return;
      this.memory.forget(name);
      removed++;
    });
    return removed;
  }

  /** Deletes a pointer that has led to nobody for long. One that leads to an avatar by now stays. */
  async discard(name: string): Promise<void> {
    const pointer = await this.read(name);
    if (pointer && isNoAlias(pointer)) await this.store.delete(aliasKey(name));
  }

  /**
   * Makes the pointers agree with the manifest: stores missing ones that it lists, and removes pointers to
   * the avatar that it doesn't list. Repeats this until there is nothing left to do.
   * @returns how many were removed
   */
  async reconcile(id: string, names: readonly string[]): Promise<number> {
    if (names.length === 0) return 0;
    for (let removed = 0; ;) {
      const manifest = await this.repository.readStored(id);
      const isListed = (name: string) => listsAlias(manifest, name);
      let restored = 0;
      await each(names.filter(isListed), async (name) => {
        if (await this.restore(name, id)) restored++;
      });
      const unlisted = names.filter((name) => !isListed(name));
      const now = await this.remove(id, unlisted);
      removed += now;
      // A change of the manifest was told before the pointer was there.
      if (restored > 0) this.events.changed({ id, aliases: names, aliased: true, registered: true });
      if (restored + now === 0) return removed;
    }
  }

  /**
   * Stores a pointer if there is none.
   * @returns whether there was none
   * @throws CodedError `busy`, and what the store throws
   */
  restore(name: string, id: string): Promise<boolean> {
    return this.point(name, id, (pointer) => pointer === undefined || isNoAlias(pointer));
  }

  /**
   * Stores a pointer.
   * @param over whether to store it in place of one that leads elsewhere or nowhere
   * @returns whether it was stored
   */
  private async point(
    name: string,
    id: string,
    over: (pointer: Pointer | undefined) => boolean,
  ): Promise<boolean> {
    const deadline = performance.now() + this.settings.avatarCommitTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      const readAt = performance.now();
      const pointer = await this.read(name);
      const stands = targetOf(pointer) === id;
      if (!stands && !over(pointer)) return false;
      const begunAt = stands ? readAt : performance.now();
      const stored = stands ? pointer : await this.swap(name, id, pointer);
      if (stored) {
        this.memory.written(name, { value: id, etag: stored.etag }, begunAt, pointer?.etag);
        return !stands;
      }
      if (performance.now() > deadline) throw new CodedError('busy', BUSY);
      await sleep(Math.random() * Math.min(20 * attempt, 200));
    }
  }

  /** Reads a pointer, for a change of it. */
  private async read(name: string): Promise<Pointer | undefined> {
    const pointer = await this.get(name, { forChange: true });
    return pointer === 'unchanged' ? undefined : pointer;
  }

  /**
   * Replaces a pointer.
   * @param id undefined: by one that leads to nobody
   * @param before undefined: there was none
   * @returns undefined if it is another one by now
   */
  private async swap(
    name: string,
    id: string | undefined,
    before: Pointer | undefined,
  ): Promise<{ etag: string } | undefined> {
    const bytes = writeAlias(id, randomUUID());
    const precondition =
      before === undefined
        ? { ifAbsent: true as const }
        : before.etag !== undefined && { ifMatch: before.etag };
    try {
      return await this.store.store(aliasKey(name), bytes, { ...precondition, ...MANIFEST_ATTRIBUTES });
    } catch (error) {
      if (error instanceof PreconditionFailed) return undefined;
      throw error;
    }
  }

  /** Anybody can ask for any number of hashes that stand for nobody, and nobody misses a new one at once. */
  private maxAgeOf(id: string | undefined): number {
    const { cacheMaxAgeMs, cacheUnknownHashMs } = this.settings;
    return id === undefined ? Math.max(cacheMaxAgeMs, cacheUnknownHashMs) : cacheMaxAgeMs;
  }

  /** The id that an alias points at, whether that counts or not. */
  private async readCached(name: string): Promise<Read<Target>> {
    try {
      const { value, token } = await this.memory.freshOrRead(name, (known) => this.load(name, known));
      return { value, verified: isKeepable(token), tokens: isFresh(token) ? [token] : undefined };
    } catch (error) {
      const known = isAway(error) ? this.memory.stale(name) : undefined;
      if (!known) throw error;
      return { value: known.value, ...UNVERIFIED };
    }
  }

  /**
   * Asks only whether a known pointer has changed: such calls do not queue behind those for hashes that
   * anybody can make up.
   */
  private async load(name: string, known: Known<Target> | undefined): Promise<Stored<Target>> {
    const object = await this.get(name, { ...(known?.etag !== undefined && { ifNoneMatch: known.etag }) });
    return object === 'unchanged' && known ? known : aliasOf(object);
  }

  /** A damaged object counts as one that holds no alias: whoever registers the hash again replaces it. */
  private async get(name: string, options: GetOptions): Promise<Pointer | 'unchanged' | undefined> {
    const object = await getUnlessDamaged(this.store, aliasKey(name), options);
    return object === 'damaged' ? { bytes: Buffer.alloc(0) } : object;
  }
}

/** @throws CodedError `manifest_unreadable` */
function aliasOf(object: Pointer | 'unchanged' | undefined): Stored<Target> {
  if (object === undefined || object === 'unchanged') return { value: undefined, etag: undefined };
  const id = targetOf(object);
  if (id !== undefined || isNoAlias(object)) return { value: id, etag: object.etag };
  throw new CodedError('manifest_unreadable', 'The record of this hash is damaged. Register it again.');
}

async function each(names: readonly string[], task: (name: string) => Promise<void>): Promise<void> {
  const limit = pLimit(CONCURRENCY);
  await Promise.all(names.map((name) => limit(() => task(name))));
}

function refuse(): never {
  throw new Error('a hash was to be registered that can stand for nobody');
}
