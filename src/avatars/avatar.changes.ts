import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import type { Describe, Erase, EraseVersion, PictureIntent, Publish, Restore } from '../model/intents.js';
import {
  type Instant,
  type Manifest,
  type Version,
  instantAfter,
  isErased,
  versionNamed,
} from '../model/manifest.js';
import { Adoption } from './adoption.js';
import { AvatarObjects } from './avatar.objects.js';
import { AvatarRepository } from './avatar.repository.js';
import { ChangeNotBegun, type Changed, type Decide, ManifestSwap } from './manifest-swap.js';
import { PendingChanges } from './pending-changes.js';
import { type Precondition, assertPrecondition } from './precondition.js';

/** How a change ended: it is in the store, or waits in the outbox. */
export type Committed = 'stored' | 'pending';

/** An avatar at the moment a change of it is accepted. */
export interface CurrentState {
  readonly manifest: Manifest;
  readonly precondition: Precondition;
  /** The time of acceptance, not of the commit: a delete that comes in between has to win. */
  readonly at: Instant;
  /** Why the store could not be asked. The manifest is then the last known one, if any. */
  readonly away?: Error;
}

/** The result of a change. */
export interface Applied extends Changed<PictureIntent> {
  committed: Committed;
}

/**
 * Publishes, restores, describes and removes. A picture is stored first and the manifest last: a crash in
 * between leaves an object that nothing points at, never a pointer to nothing. While the store is away, a
 * change waits in the outbox.
 */
@Injectable()
export class AvatarChanges {
  constructor(
    private readonly repository: AvatarRepository,
    private readonly manifests: ManifestSwap,
    private readonly objects: AvatarObjects,
    private readonly adoption: Adoption,
    private readonly pending: PendingChanges,
    private readonly settings: Settings,
  ) {}

  /**
   * Starts a change: reads the avatar as it is now, or as it was last known if the store is away.
   * @throws CodedError `precondition_failed`; what the store throws, unless the change may wait
   */
  async begin(id: string, precondition: Precondition): Promise<CurrentState> {
    const state = await this.repository.readOrLastKnown(id, precondition !== undefined, async () =>
      this.adoption.ensure(await this.repository.readFresh(id)),
    );
    assertPrecondition(state.manifest, precondition);
    return { ...state, precondition, at: instantAfter(state.manifest, new Date()) };
  }

  /**
   * Changes an avatar, or queues the change while the store is away.
   * @param decide gives the intent for a manifest that includes pending changes, or undefined if there is
   * nothing to change. It is called for the given state first, and then for each manifest that the store
   * turns out to have. If it throws, the change ends
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
    // With what came into the outbox since the state was read: `decide` saw it, too.
    if (!intent) return { manifest: this.repository.withPending(manifest), intent, committed: 'stored' };
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
    intent: Exclude<PictureIntent, Erase | EraseVersion>,
    master: Buffer | undefined,
  ): Promise<string | undefined> {
    if (intent.type === 'publish') {
      if (!master) return 'the master is missing';
      await this.publish(id, intent, master, () => intent);
      return undefined;
    }
    if (intent.type !== 'remove' && (await this.isLost(id, intent.version))) {
      return `the version to ${intent.type} is gone`;
    }
    await this.manifests.change(id, () => intent);
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
    if (intent.type === 'restore' || intent.type === 'describe') return this.changeNamed(id, intent, decide);
    return this.manifests.change(id, decide);
  }

  /** Stores a master and commits its version. Discards the master if the version is not wanted after all. */
  private async publish(
    id: string,
    intent: Publish,
    master: Buffer,
    decide: Decide<PictureIntent>,
  ): Promise<Changed<PictureIntent>> {
    const { version } = intent;
    // An earlier attempt of ours may have committed, and its answer was lost.
    const wanted = (manifest: Manifest) =>
      versionNamed(manifest, version.version) ? intent : decide(manifest);
    try {
      const changed = await this.storeMaster(id, version, master, () => this.manifests.change(id, wanted));
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

  /**
   * The version may still wait in the outbox: its master has to be in the store before the manifest names it.
   */
  private async changeNamed(
    id: string,
    { version }: Restore | Describe,
    decide: Decide<PictureIntent>,
  ): Promise<Changed<PictureIntent>> {
    const change = () => this.manifests.change(id, decide);
    const pending = await this.pending.master(id, version.version);
    return pending ? this.storeMaster(id, version, pending.bytes, change) : change();
  }

  private storeMaster<Result extends { manifest: Manifest }>(
    id: string,
    { version, master: format }: Version,
    master: Buffer,
    commit: () => Promise<Result>,
  ): Promise<Result> {
    return this.objects.storeUnlessErased(id, version, { format }, master, commit);
  }

  /** Whether a version's master is gone although nobody erased it. */
  private async isLost(id: string, version: Version): Promise<boolean> {
    if (await this.objects.hasMaster(id, version)) return false;
    return !isErased(await this.repository.readStored(id), version.version);
  }

  /**
   * Whether the error proves that no manifest names the version. A version from the outbox may have been
   * published before.
   */
  private isUnused(id: string, { version }: Version, error: unknown): boolean {
    if (error instanceof ChangeNotBegun) return !this.pending.isWaiting(id, version);
    return error instanceof CodedError && error.code === 'precondition_failed';
  }
}

export function versionNotFound(): CodedError {
  return new CodedError('version_not_found', 'The history of the avatar has no such version.');
}
