import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import pLimit from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { aliasesOf, isNoAlias, listsAlias, targetOf } from '../model/alias.js';
import { AliasNames } from '../model/alias-names.js';
import { ManifestUnreadable } from '../model/manifest-format.js';
import type { Instant } from '../model/manifest.js';
import { AliasPointers, type Pointer } from './alias-pointers.js';
import { AvatarEvents } from './avatar.events.js';
import { AvatarRepository } from './avatar.repository.js';
import { CERTAIN, type Read, both } from './read.js';

/** Calls to the store at the same time, for the hashes of one avatar. */
const CONCURRENCY = 8;

const DAMAGED =
  'The record of a hash is damaged, so nobody can tell whether it is free. Register it without ifFree.';

const BUSY = 'Too many avatars are taking over an address or hash at the same time. Try again shortly.';

/** An avatar that a pointer leads to. */
export interface Holder {
  id: string;
  /** When it registered the hash with its others, if the pointer counts. */
  at?: Instant | undefined;
}

/** What became of a pointer that was to lead to an avatar. */
export interface Pointed {
  stored: boolean;
  /** The avatar that the hash stood for until now if it was stored, and that it leads to if not. */
  other?: Holder | undefined;
}

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

  constructor(
    private readonly pointers: AliasPointers,
    private readonly repository: AvatarRepository,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
  ) {
    this.names = new AliasNames(settings.aliasKey);
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
    const pointer = await this.pointers.readCached(name);
    if (pointer.value === undefined) return pointer;
    const { value: manifest, incomplete, ...read } = await this.repository.readCached(pointer.value);
    if (incomplete) throw incomplete;
    return { value: listsAlias(manifest, name) ? pointer.value : undefined, ...both(pointer, read) };
  }

  /**
   * The hashes that stand for an avatar, sorted. The manifest may still list those that another avatar has
   * taken over since, so their pointers decide.
   * @throws what the store throws, if they are not in memory
   */
  async hashesOf(id: string): Promise<readonly string[]> {
    const { value: manifest, incomplete } = await this.repository.readCached(id);
    if (incomplete) throw incomplete;
    const answering = aliasesOf(manifest).filter((name) => this.names.hashOf(name) !== undefined);
    const standing = new Set<string>();
    await each(answering, async (name) => {
      if (await this.pointers.leadsTo(name, id)) standing.add(name);
    });
    return answering.flatMap((name) => (standing.has(name) ? (this.names.hashOf(name) ?? []) : []));
  }

  /**
   * Takes the avatar out of pointers to it, and out of unreadable ones. Leaves pointers that lead to another
   * avatar.
   * @returns how many there were
   */
  async remove(id: string, names: readonly string[]): Promise<number> {
    let removed = 0;
    await each(names, async (name) => {
      if ((await this.release(name, id, await this.pointers.read(name))) === 'released') removed++;
    });
    return removed;
  }

  /** Deletes a pointer that has led to nobody for long. One that leads to an avatar by now stays. */
  discard(name: string): Promise<void> {
    return this.pointers.discard(name);
  }

  /**
   * Makes the pointers agree with the manifest: stores missing ones that it lists, and removes pointers to
   * the avatar that it doesn't list. Repeats this until there is nothing left to do.
   * @returns how many were removed
   */
  async reconcile(id: string, names: readonly string[]): Promise<number> {
    return (await this.settle(id, names)).removed;
  }

  /**
   * The same.
   * @param registered names that the manifest lists only now: their pointers are stored once more, so that
   * nobody replaces one who has read the manifest before
   * @returns also which of the names the manifest lists although their pointers lead to others, and to whom
   */
  async settle(
    id: string,
    names: readonly string[],
    registered: readonly string[] = [],
  ): Promise<{ removed: number; elsewhere: Map<string, Holder> }> {
    const elsewhere = new Map<string, Holder>();
    if (names.length === 0) return { removed: 0, elsewhere };
    const confirmed = new Set<string>();
    for (let removed = 0; ;) {
      elsewhere.clear();
      const manifest = await this.repository.readStored(id);
      const isListed = (name: string) => listsAlias(manifest, name);
      let restored = 0;
      await each(names.filter(isListed), async (name) => {
        const isNew = registered.includes(name) && !confirmed.has(name);
        const { stored, other } = await this.point(name, id, isNew ? 'confirm' : 'restore');
        confirmed.add(name);
        if (stored) restored++;
        if (other !== undefined) elsewhere.set(name, other);
      });
      const unlisted = names.filter((name) => !isListed(name));
      const now = await this.removeUnlisted(id, unlisted);
      removed += now.removed;
      // A change of the manifest was told before the pointer was there.
      if (restored > 0) this.events.changed({ id, aliases: names, aliased: true, registered: true });
      if (restored + now.removed + now.beaten === 0) return { removed, elsewhere };
    }
  }

  /**
   * Stores a pointer if there is none.
   * @returns whether there was none
   * @throws CodedError `busy`, and what the store throws
   */
  async restore(name: string, id: string): Promise<boolean> {
    return (await this.point(name, id, 'restore')).stored;
  }

  /**
   * Stores a pointer, unless it leads to the avatar already.
   * @param how `take`: whatever was there; `if-free`: unless the hash stands for another avatar; `restore`:
   * only if there is none; `confirm`: the same, and once more if it leads to the avatar
   * @throws CodedError `busy`; with `if-free` `manifest_unreadable`; what the store throws
   */
  async point(name: string, id: string, how: 'take' | 'if-free' | 'restore' | 'confirm'): Promise<Pointed> {
    const keepsOthers = how === 'restore' || how === 'confirm';
    const deadline = performance.now() + this.settings.avatarCommitTimeoutMs;
    for (let attempt = 1; ; attempt++) {
      const readAt = performance.now();
      const pointer = await this.pointers.read(name);
      const target = targetOf(pointer);
      if (target === id && how !== 'confirm') {
        this.pointers.remember(name, id, pointer?.etag, readAt, pointer);
        return { stored: false };
      }
      if (keepsOthers && target !== id && pointer && !isNoAlias(pointer)) {
        return { stored: false, ...(target !== undefined && { other: { id: target } }) };
      }
      // After the pointer. A registration that is under way confirms its pointer once its manifest lists the
      // hash: the swap then fails, or the registration sees that it no longer has it.
      const other = keepsOthers ? undefined : await this.standing(name, pointer, how === 'if-free');
      if (how === 'if-free' && other !== undefined) return { stored: false, other };
      const begunAt = performance.now();
      const stored = await this.pointers.swap(name, id, pointer);
      if (stored) {
        this.pointers.remember(name, id, stored.etag, begunAt, pointer);
        return { stored: target !== id, other };
      }
      if (performance.now() > deadline) throw new CodedError('busy', BUSY);
      await sleep(Math.random() * Math.min(20 * attempt, 200));
    }
  }

  /**
   * Removes pointers to an avatar whose manifest still doesn't list them after they were read.
   * @returns also how many could not be, since somebody stored them once more meanwhile
   */
  private async removeUnlisted(id: string, names: readonly string[]) {
    const count = { removed: 0, beaten: 0 };
    if (names.length === 0) return count;
    const found = new Map<string, Pointer>();
    await each(names, async (name) => {
      const pointer = await this.pointers.read(name);
      if (pointer && !isNoAlias(pointer)) found.set(name, pointer);
    });
    if (found.size === 0) return count;
    const manifest = await this.repository.readStored(id);
    await each(names, async (name) => {
      if (listsAlias(manifest, name)) return;
      const result = await this.release(name, id, found.get(name));
      if (result === 'released') count.removed++;
      else if (result === 'beaten') count.beaten++;
    });
    return count;
  }

  /**
   * Has a pointer that leads to an avatar, or cannot be read, lead to nobody.
   * @returns `beaten` if somebody stored another one meanwhile: a registration confirms its pointer without
   * another look at the manifest
   */
  private async release(
    name: string,
    id: string,
    pointer: Pointer | undefined,
  ): Promise<'released' | 'beaten' | undefined> {
    if (!pointer || isNoAlias(pointer) || (targetOf(pointer) ?? id) !== id) return undefined;
    if (!(await this.pointers.swap(name, undefined, pointer))) return 'beaten';
    this.pointers.forget(name);
    return 'released';
  }

  /**
   * The other avatar that a hash stands for, as the store has it now.
   * @throws CodedError `manifest_unreadable` if nobody can tell
   */
  async holderBeside(name: string, id: string): Promise<Holder | undefined> {
    const pointer = await this.pointers.read(name);
    return targetOf(pointer) === id ? undefined : this.standing(name, pointer, true);
  }

  /**
   * The avatar that a pointer leads to, if the pointer counts.
   * @param strict throws if damage keeps us from telling. Otherwise the hash stands for nobody: whoever asks
   * for it is told of the damage
   */
  private async standing(
    name: string,
    pointer: Pointer | undefined,
    strict: boolean,
  ): Promise<Holder | undefined> {
    const target = targetOf(pointer);
    if (target === undefined) {
      if (strict && pointer && !isNoAlias(pointer)) throw new CodedError('manifest_unreadable', DAMAGED);
      return undefined;
    }
    try {
      const manifest = await this.repository.readStored(target);
      return listsAlias(manifest, name) ? { id: target, at: manifest.aliases?.at } : undefined;
    } catch (error) {
      if (error instanceof ManifestUnreadable && !strict) return undefined;
      throw error;
    }
  }
}

/** Does something for each name, for a few at a time. */
export async function each(names: readonly string[], task: (name: string) => Promise<void>): Promise<void> {
  const limit = pLimit(CONCURRENCY);
  await Promise.all(names.map((name) => limit(() => task(name))));
}
