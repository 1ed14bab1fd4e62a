import { AliasPointers } from '../avatars/alias-pointers.js';
import { Aliases } from '../avatars/aliases.js';
import { AvatarEvents } from '../avatars/avatar.events.js';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { PendingChanges } from '../avatars/pending-changes.js';
import { NoOutbox } from '../outbox/no.outbox.js';
import { Settings } from '../config/settings.js';
import { isNoAlias, listsAlias, targetOf } from '../model/alias.js';
import { ManifestUnreadable } from '../model/manifest-format.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { ListedAlias } from './listing.js';
import { manifestOf, readUnlessDamaged } from './read-object.js';

/**
 * The fault of an alias: it is not one, or the manifest of the id that it points at does not list it. One
 * that points at nobody has been removed, which is no damage, but it is of no use either.
 */
export type AliasFault = { fault: 'unreadable' } | { fault: 'unlisted'; id: string } | { fault: 'removed' };

/** Finds faulty aliases, one at a time. */
export class AliasInspector {
  readonly aliases: Aliases;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {
    const fromTheStore = { cacheMaxAgeMs: 0, cacheMaxStaleMs: 0, cacheUnknownHashMs: 0, cacheBytes: 0 };
    const applied = Object.assign(new Settings(), settings, fromTheStore);
    const events = new AvatarEvents();
    const repository = new AvatarRepository(store, new PendingChanges(new NoOutbox()), applied);
    const pointers = new AliasPointers(store, applied);
    this.aliases = new Aliases(pointers, repository, events, applied);
  }

  /**
   * Objects are written whole, so an unreadable alias is damaged at any age. A sound one may be so young that
   * its manifest is on its way.
   * @returns undefined if there is no fault, or if the manifest cannot be read
   */
  async inspect(listed: ListedAlias): Promise<AliasFault | undefined> {
    // The alias or the manifest may have changed between the two readings, but only once.
    return (await this.look(listed)) && (await this.look(listed));
  }

  /** Deletes an alias that has been removed, or that no manifest lists, unless one does by now. */
  async delete(found: Exclude<AliasFault, { fault: 'unreadable' }>, { name }: ListedAlias): Promise<void> {
    if (found.fault === 'unlisted') await this.aliases.reconcile(found.id, [name]);
    await this.aliases.discard(name);
  }

  private async look({ key, name, modifiedAt }: ListedAlias): Promise<AliasFault | undefined> {
    const object = await readUnlessDamaged(this.store, key);
    if (!object) return undefined;
    const id = object === 'damaged' ? undefined : targetOf(object);
    const left = object !== 'damaged' && isNoAlias(object);
    if (id === undefined && !left) return { fault: 'unreadable' };
    if (Date.now() - modifiedAt.getTime() <= this.settings.avatarGraceMs) return undefined;
    if (id === undefined) return { fault: 'removed' };
    try {
      return listsAlias(await manifestOf(this.store, id), name) ? undefined : { fault: 'unlisted', id };
    } catch (error) {
      if (error instanceof ManifestUnreadable) return undefined;
      throw error;
    }
  }
}
