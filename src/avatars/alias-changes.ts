import { Injectable } from '@nestjs/common';
import { CodedError } from '../errors.js';
import { aliasesOf } from '../model/alias.js';
import { type Instant, type Manifest, endOfErased, instantAfter } from '../model/manifest.js';
import { Aliases, type Holder, each } from './aliases.js';
import { AvatarRepository } from './avatar.repository.js';
import { ManifestSwap } from './manifest-swap.js';

const TAKEN =
  'Some of the addresses or hashes stand for other avatars: `taken` names both. Nothing was changed. Leave them out. Only a key with admin and without a prefix takes them over, if the query has no ifFree.';

/** The hashes that stand for an avatar from now on. */
export interface Replaced {
  /** Sorted. */
  hashes: readonly string[];
  /** The ids of the avatars that some of them stood for until now, by hash. */
  takenFrom: Readonly<Record<string, string>>;
}

export interface ReplaceOptions {
  /** Refuses the change if a hash stands for another avatar. Otherwise it is taken over. */
  ifFree?: boolean;
  /** Whether a refusal may name an avatar. By default it names all. */
  mayName?: (id: string) => boolean;
}

/**
 * Changes the aliases of avatars. There is no transaction over two avatars, so a registration claims the
 * pointers, then writes its manifest, and then confirms the pointers by storing them once more. A pointer
 * that is confirmed is left alone by `ifFree`: whoever reads it finds it in the manifest, too. Of two that
 * want the same hash, the one whose pointer was replaced before finds that out. One with `ifFree` then takes
 * its list back; one without registers once more.
 */
@Injectable()
export class AliasChanges {
  constructor(
    private readonly aliases: Aliases,
    private readonly repository: AvatarRepository,
    private readonly manifests: ManifestSwap,
  ) {}

  /**
   * Replaces all aliases of an avatar, also those that answer to nobody any more. A hash of another avatar
   * stands for this one from now on.
   * @param hashes those that `Aliases.names` has a name for
   * @throws CodedError `busy`; with `ifFree` `alias_taken`, and `manifest_unreadable` if nobody can tell;
   * what the store throws
   */
  async replace(id: string, hashes: readonly string[], options: ReplaceOptions = {}): Promise<Replaced> {
    const wanted = [...new Set(hashes)].sort();
    const names = wanted.map((hash) => this.aliases.names.nameOf(hash) ?? refuse());
    const taken = new Map<string, Holder>();
    for (let isLast = options.ifFree === true; ; isLast = true) {
      const { others, elsewhere } = await this.register(id, names, options);
      for (const [name, other] of others) taken.set(name, other);
      // Another avatar took a hash before our manifest listed it.
      if (isLast || elsewhere.size === 0) break;
    }
    await this.strike(taken);
    return { hashes: wanted, takenFrom: this.byHash(taken, (owner) => owner) };
  }

  /**
   * @returns the avatars that hashes were taken from, and those that took some while the manifest did not
   * list them yet, by name
   */
  private async register(id: string, names: readonly string[], { ifFree = false, mayName }: ReplaceOptions) {
    // The time of acceptance, not of the commit: an erasure that comes in between has to win.
    let at = instantAfter(await this.repository.readFresh(id), new Date());
    if (ifFree) this.assertNone(await this.holders(id, names), mayName);
    const { stored, others } = await this.point(id, names, ifFree ? 'if-free' : 'take');
    if (ifFree && others.size > 0) {
      await this.aliases.reconcile(id, names);
      this.assertNone(others, mayName);
    }
    let before: Manifest['aliases'];
    const dropped = new Set<string>();
    await this.manifests.change(id, (manifest) => {
      before = manifest.aliases;
      const listed = aliasesOf(manifest);
      for (const name of listed) if (!names.includes(name)) dropped.add(name);
      const same = listed.join() === names.join();
      // Of two lists of the same instant, the one that arrives later counts.
      if (!same && before?.at === at) at = justAfter(at);
      return same && stored.size === 0 ? undefined : { type: 'alias', at, hashes: names };
    });
    const registered = names.filter((name) => stored.has(name) || !before?.hashes.includes(name));
    const { elsewhere } = await this.aliases.settle(id, names, registered);
    if (ifFree && elsewhere.size > 0) {
      await this.takeBack(id, { at, hashes: names }, before, elsewhere);
      await this.aliases.reconcile(id, [...names, ...dropped]);
      this.assertNone(elsewhere, mayName);
    }
    await this.aliases.reconcile(id, [...dropped]);
    return { others, elsewhere };
  }

  /**
   * Gives an avatar the list back that it had before, without hashes that lead elsewhere by now.
   * @param ours what may be in its place: the list that we wrote, or what `strike` has left of it
   */
  private async takeBack(
    id: string,
    ours: NonNullable<Manifest['aliases']>,
    before: Manifest['aliases'],
    elsewhere: ReadonlyMap<string, Holder>,
  ): Promise<void> {
    await this.manifests.change(id, (manifest) => {
      const { at, hashes } = manifest.aliases ?? {};
      const isStruck = at === justAfter(ours.at) && hashes?.every((name) => ours.hashes.includes(name));
      if (at === undefined || (at !== ours.at && !isStruck)) return undefined;
      const isErased = (before?.at ?? '') <= (endOfErased(manifest) ?? '');
      const kept = isErased ? [] : (before?.hashes ?? []).filter((name) => !elsewhere.has(name));
      return { type: 'alias', at: justAfter(at), hashes: kept };
    });
  }

  /**
   * Takes hashes off the lists of the avatars that they were taken from, unless these have registered others
   * since. The time is just after that of the list, so that every other registration wins.
   */
  private async strike(taken: ReadonlyMap<string, Holder>): Promise<void> {
    const lists = new Map([...taken.values()].map(({ id, at }) => [id, at]));
    await each([...lists.keys()], async (id) => {
      const at = lists.get(id);
      await this.manifests.change(id, (manifest) => {
        if (at === undefined || manifest.aliases?.at !== at) return undefined;
        const left = aliasesOf(manifest).filter((name) => taken.get(name)?.id !== id);
        return { type: 'alias', at: justAfter(at), hashes: left };
      });
    });
  }

  /** The other avatars that hashes stand for, by name. */
  private async holders(id: string, names: readonly string[]): Promise<Map<string, Holder>> {
    const holders = new Map<string, Holder>();
    await each(names, async (name) => {
      const holder = await this.aliases.holderBeside(name, id);
      if (holder) holders.set(name, holder);
    });
    return holders;
  }

  /** @returns the pointers that were stored, and the other avatars that hashes stand or stood for */
  private async point(
    id: string,
    names: readonly string[],
    how: 'take' | 'if-free',
  ): Promise<{ stored: Set<string>; others: Map<string, Holder> }> {
    const pointers = new Set<string>();
    const others = new Map<string, Holder>();
    await each(names, async (name) => {
      const { stored, other } = await this.aliases.point(name, id, how);
      if (stored) pointers.add(name);
      if (other) others.set(name, other);
    });
    return { stored: pointers, others };
  }

  /** @throws CodedError `alias_taken` */
  private assertNone(holders: ReadonlyMap<string, Holder>, mayName: ReplaceOptions['mayName']): void {
    if (holders.size === 0) return;
    const taken = this.byHash(holders, (owner) => (mayName?.(owner) === false ? null : owner));
    throw new CodedError('alias_taken', TAKEN, { members: { taken } });
  }

  /** @param told what may be told of the id of an avatar */
  private byHash<T>(holders: ReadonlyMap<string, Holder>, told: (owner: string) => T): Record<string, T> {
    const { names } = this.aliases;
    return Object.fromEntries(
      [...holders].map(([name, { id }]) => [names.hashOf(name) ?? refuse(), told(id)]),
    );
  }
}

function justAfter(at: Instant): Instant {
  return new Date(Date.parse(at) + 1).toISOString();
}

function refuse(): never {
  throw new Error('a hash was to be registered that can stand for nobody');
}
