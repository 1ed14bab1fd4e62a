import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import {
  type Instant,
  type Manifest,
  type PictureIntent,
  type Publish,
  type Restore,
  type Version,
  emptyManifest,
  instantAfter,
  isErased,
  versionNamed,
} from '../model/manifest.js';
import { isAway } from '../storage/object-store.js';
import { Adoption } from './adoption.js';
import { AvatarObjects } from './avatar.objects.js';
import { AvatarRepository, ChangeNotBegun, type Changed, type Decide } from './avatar.repository.js';
import { PendingChanges } from './pending-changes.js';
import { type Precondition, assertPrecondition } from './precondition.js';

/** How a change ended: it is in the store, or waits in the outbox. */
export type Committed = 'stored' | 'pending';

/** An avatar at the moment that a change of it is accepted. */
export interface CurrentState {
  readonly manifest: Manifest;
  readonly precondition: Precondition;
  /** When the change was accepted, not when it is committed: a delete that comes in between has to win. */
  readonly at: Instant;
  /** Why the store could not be asked. The manifest is then the last known one, if any. */
  readonly away?: Error;
}

/** What a change came to. */
export interface Applied extends Changed<PictureIntent> {
  committed: Committed;
}

/**
 * Publishes, restores and removes. A picture is stored first and the manifest last: a crash in between leaves an object that nothing
 * points at, never a pointer to nothing. While the store is away, a change waits in the outbox.
 */
@Injectable()
export class AvatarChanges {
  constructor(
    private readonly repository: AvatarRepository,
    private readonly objects: AvatarObjects,
    private readonly adoption: Adoption,
    private readonly pending: PendingChanges,
    private readonly settings: Settings,
  ) {}

  /**
   * The avatar as it is now, for a change that is about to be decided; while the store is away, as it was last known.
   * @throws CodedError `precondition_failed`; what the store throws, unless the change may wait
   */
  async begin(id: string, precondition: Precondition): Promise<CurrentState> {
    const state = await this.look(id, precondition !== undefined, async () =>
      this.adoption.ensure(await this.repository.readFresh(id), { forChange: true }),
    );
    assertPrecondition(state.manifest, precondition);
    return { ...state, precondition, at: instantAfter(state.manifest, new Date()) };
  }

  /**
   * What `read` gives; while the store is away, what was last known, if the change may wait.
   * @param exact the change is only right if the store confirms what is current
   */
  async look(
    id: string,
    exact: boolean,
    read: () => Promise<Manifest>,
  ): Promise<Pick<CurrentState, 'manifest' | 'away'>> {
    try {
      return { manifest: await read() };
    } catch (error) {
      if (exact || !this.pending.enabled || !isAway(error)) throw error;
      return { manifest: this.repository.lastKnown(id) ?? emptyManifest(id), away: error };
    }
  }

  /**
   * Changes an avatar, or queues the change while the store is away.
   * @param decide what is wanted of a manifest, with pending changes done already; undefined if all is as wished. Asked about the state
   * first, and then about each manifest that the store turns out to have. What it throws ends the change
   * @param master of the version that is published
   * @throws CodedError `precondition_failed`; what `decide`, the store and the outbox throw
   */
  async change(
    { manifest, precondition, away }: CurrentState,
    decide: Decide<PictureIntent>,
    master?: Buffer,
  ): Promise<Applied> {
    const { id } = manifest;
    const wanted = (stored: Manifest) => {
      const shown = this.repository.withPending(stored);
      assertPrecondition(shown, precondition);
      return decide(shown);
    };
    const intent = wanted(manifest);
    if (!intent) return { manifest, intent, committed: 'stored' };
    const rules = { away, exact: precondition !== undefined };
    const changed = await this.pending.commitOrQueue(id, { intent, master }, rules, () =>
      this.commit(id, intent, wanted, master),
    );
    if (changed === 'pending') return { manifest, intent, committed: 'pending' };
    return {
      intent: changed.intent,
      manifest: this.repository.withPending(changed.manifest),
      committed: 'stored',
    };
  }

  /**
   * Carries out a change that waited, exactly once however often it is called.
   * @param master that it waited with
   * @returns undefined, or the reason why it can never be carried out
   */
  async replay(
    id: string,
    intent: Exclude<PictureIntent, { type: 'erase' }>,
    master: Buffer | undefined,
  ): Promise<string | undefined> {
    if (intent.type === 'publish') {
      if (!master) return 'the master is missing';
      await this.publish(id, intent, master, () => intent);
      return undefined;
    }
    if (intent.type === 'restore' && (await this.isLost(id, intent.version))) {
      return 'the version to restore is gone';
    }
    await this.repository.change(id, () => intent);
    return undefined;
  }

  private async commit(
    id: string,
    intent: PictureIntent,
    decide: Decide<PictureIntent>,
    master: Buffer | undefined,
  ): Promise<Changed<PictureIntent>> {
    if (intent.type === 'publish') {
      if (!master) throw new Error('a version is published with its master');
      return this.publish(id, intent, master, decide);
    }
    if (intent.type === 'restore') return this.restore(id, intent, decide);
    return this.repository.change(id, decide);
  }

  /** Discards the master if its version turns out not to be wanted. */
  private async publish(
    id: string,
    intent: Publish,
    master: Buffer,
    decide: Decide<PictureIntent>,
  ): Promise<Changed<PictureIntent>> {
    const { version } = intent;
    // Our own commit may have gone through on an attempt whose answer was lost.
    const wanted = (manifest: Manifest) =>
      versionNamed(manifest, version.version) ? intent : decide(manifest);
    try {
      const changed = await this.storeMaster(id, version, master, () => this.repository.change(id, wanted));
      if (changed.intent === undefined) await this.objects.discard(id, version);
      else if (changed.manifest.versions.length >= this.settings.avatarHistory) {
        void this.objects.collect(changed.manifest);
      }
      return changed;
    } catch (error) {
      if (this.isUnused(id, version, error)) await this.objects.discard(id, version);
      throw error;
    }
  }

  /** A version that waits in the outbox can be restored, and the manifest must not name it before its master is in the store. */
  private async restore(
    id: string,
    { version }: Restore,
    decide: Decide<PictureIntent>,
  ): Promise<Changed<PictureIntent>> {
    const change = () => this.repository.change(id, decide);
    const pending = await this.pending.master(id, version.version);
    return pending ? this.storeMaster(id, version, pending.bytes, change) : change();
  }

  private storeMaster<Committed extends { manifest: Manifest }>(
    id: string,
    { version, master: format }: Version,
    master: Buffer,
    commit: () => Promise<Committed>,
  ): Promise<Committed> {
    return this.objects.storeUnlessErased(id, version, { format }, master, commit);
  }

  /** Whether a version's master is gone though nobody erased it. */
  private async isLost(id: string, version: Version): Promise<boolean> {
    if (await this.objects.hasMaster(id, version)) return false;
    return !isErased(await this.repository.readStored(id), version.version);
  }

  /** Whether no manifest names a version after this error. One that was in the outbox may have been published before. */
  private isUnused(id: string, { version }: Version, error: unknown): boolean {
    if (error instanceof ChangeNotBegun) return !this.pending.holds(id, version);
    return error instanceof CodedError && error.code === 'precondition_failed';
  }
}
