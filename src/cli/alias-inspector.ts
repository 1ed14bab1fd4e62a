import { Aliases } from '../avatars/aliases.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import type { Settings } from '../config/settings.js';
import { lists, targetOf } from '../model/alias.js';
import { ManifestUnreadable } from '../model/manifest.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { ListedAlias } from './listing.js';
import { manifestOf } from './manifest-of.js';
import { read } from './verified-copy.js';

/** What is wrong with the object of a hash: it is none, or the manifest of the id that it points at does not list it. */
export type AliasFault = { fault: 'unreadable' } | { fault: 'unlisted'; id: string };

/** Looks at the objects of hashes one by one. */
export class AliasInspector {
  readonly aliases: Aliases;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {
    const { avatarHistory: history, avatarCommitTimeoutMs: commitTimeoutMs } = settings;
    const inTheStore = { maxAgeMs: 0, maxStaleMs: 0, cacheBytes: 0 };
    const nothing = { of: () => [] };
    const repository = new AvatarRepository(store, nothing, { history, commitTimeoutMs, ...inTheStore });
    this.aliases = new Aliases(store, repository, inTheStore);
  }

  /** @returns undefined where it is as it should be, or so young that it may be on its way, or its manifest cannot be read */
  async inspect(listed: ListedAlias): Promise<AliasFault | undefined> {
    if (Date.now() - listed.modifiedAt.getTime() <= this.settings.avatarGraceMs) return undefined;
    // It may have changed between the two readings: a second look tells.
    return (await this.look(listed)) && (await this.look(listed));
  }

  private async look({ key, hash }: ListedAlias): Promise<AliasFault | undefined> {
    const object = await read(this.store, key);
    if (!object) return undefined;
    const id = targetOf(object);
    if (id === undefined) return { fault: 'unreadable' };
    try {
      return lists(await manifestOf(this.store, id), hash) ? undefined : { fault: 'unlisted', id };
    } catch (error) {
      if (error instanceof ManifestUnreadable) return undefined;
      throw error;
    }
  }
}
