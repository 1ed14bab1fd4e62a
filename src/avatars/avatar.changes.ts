import { Injectable } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { CodedError, type ErrorCode } from '../errors.js';
import type { Describe, Erase, EraseVersion, PendingIntent, Publish, Restore } from '../model/intents.js';
import { timeOfVersion } from '../model/keys.js';
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
import { type PendingChange, PendingChanges } from './pending-changes.js';
import { type Precondition, assertPrecondition, assertUnlocked } from './precondition.js';
import { assertNoErasureSince } from './ticket-uses.js';

/** How a change ended: it is in the store, or waits in the outbox. */
export type Committed = 'stored' | 'pending';

/** What has to hold before a change and when it is committed. */
export interface ChangeRules {
  precondition?: Precondition;
  /** Whether the change may not be made while the avatar is locked. */
  unlessLocked?: boolean;
  /** The name of the ticket that it is made with. */
  ticket?: string | undefined;
}

/** An avatar at the moment a change of it is accepted. */
export interface CurrentState {
  readonly manifest: Manifest;
  readonly rules: ChangeRules;
  /** The time of acceptance, not of the commit: a delete that comes in between has to win. */
  readonly at: Instant;
  /** Why the store could not be asked. The manifest is then the last known one, if any. */
  readonly away?: Error;
}

/** The result of a change. */
export interface Applied extends Changed<PendingIntent> {
  committed: Committed;
}

/**
 * Publishes, restores, describes, removes and locks. A picture is stored first and the manifest last: a
 * crash in between leaves an object that nothing points at, never a pointer to nothing. While the store is
 * away, a change waits in the outbox.
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
   * @throws CodedError `precondition_failed`, `avatar_locked`, `ticket_outdated`; what the store throws,
   * unless the change may wait
   */
  async begin(id: string, rules: ChangeRules = {}): Promise<CurrentState> {
    const state = await this.repository.readOrLastKnown(id, isExact(rules), async () =>
      this.adoption.ensure(await this.repository.readFresh(id)),
    );
    assertRules(state.manifest, rules);
    // No version is older than its ticket, whichever clocks the two are from.
    const earliest = rules.ticket === undefined ? 0 : timeOfVersion(rules.ticket);
    const now = new Date(Math.max(Date.now(), earliest));
    return { ...state, rules, at: instantAfter(state.manifest, now) };
  }

  /**
   * Changes an avatar, or queues the change while the store is away.
   * @param decide gives the intent for a manifest that includes pending changes, or undefined if there is
   * nothing to change. It is called for the given state first, and then for each manifest that the store
   * turns out to have. If it throws, the change ends
   * @param master of the version that is published
   * @throws CodedError `precondition_failed`, `avatar_locked`, `ticket_outdated`; what `decide`, the store
   * and the outbox throw
   */
  async change(
    { manifest, rules, away }: CurrentState,
    decide: Decide<PendingIntent>,
    master?: Buffer,
  ): Promise<Applied> {
    const { id } = manifest;
    const wanted = (stored: Manifest) => {
      const shown = this.repository.withPending(stored);
      assertRules(shown, rules);
      return decide(shown);
    };
    const intent = wanted(manifest);
    // With what came into the outbox since the state was read: `decide` saw it, too.
    if (!intent) return { manifest: this.repository.withPending(manifest), intent, committed: 'stored' };
    const queueing = { away, exact: isExact(rules) };
    const waiting = { intent, master, unlessLocked: rules.unlessLocked };
    const changed = await this.pending.commitOrQueue(id, waiting, queueing, () =>
      this.commit(id, intent, wanted, master),
    );
    const made = changed === 'pending' ? { manifest, intent } : changed;
    return {
      intent: made.intent,
      manifest: this.repository.withPending(made.manifest),
      committed: changed === 'pending' ? 'pending' : 'stored',
    };
  }

  /**
   * Carries out a change that waited, exactly once however often it is called.
   * @param master that it waited with
   * @returns undefined, or the reason why it can never be carried out
   */
  async replay(
    id: string,
    { intent, unlessLocked }: PendingChange & { intent: Exclude<PendingIntent, Erase | EraseVersion> },
    master: Buffer | undefined,
  ): Promise<string | undefined> {
    const decide = (stored: Manifest) => {
      if (unlessLocked) assertUnlocked(stored, intent.at);
      return intent;
    };
    try {
      if (intent.type === 'publish') {
        if (!master) return 'the master is missing';
        await this.publish(id, intent, master, decide);
        return undefined;
      }
      if ('version' in intent && (await this.isLost(id, intent.version))) {
        return `the version to ${intent.type} is gone`;
      }
      await this.manifests.change(id, decide);
      return undefined;
    } catch (error) {
      // The replica that accepted it had not seen the lock.
      if (error instanceof CodedError && error.code === 'avatar_locked')
        return 'the avatar was locked before';
      throw error;
    }
  }

  private async commit(
    id: string,
    intent: PendingIntent,
    decide: Decide<PendingIntent>,
    master: Buffer | undefined,
  ): Promise<Changed<PendingIntent>> {
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
    decide: Decide<PendingIntent>,
  ): Promise<Changed<PendingIntent>> {
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
    decide: Decide<PendingIntent>,
  ): Promise<Changed<PendingIntent>> {
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
    return error instanceof CodedError && REFUSALS.includes(error.code);
  }
}

/** The codes of `assertRules`, and of what an upload is refused for once its picture is stored. */
const REFUSALS: readonly ErrorCode[] = [
  'precondition_failed',
  'avatar_locked',
  'rate_limited',
  'ticket_outdated',
  'ticket_used',
];

function assertRules(manifest: Manifest, { precondition, unlessLocked = false, ticket }: ChangeRules): void {
  if (ticket !== undefined) assertNoErasureSince(manifest, ticket);
  if (unlessLocked) assertUnlocked(manifest);
  assertPrecondition(manifest, precondition);
}

/** Whether a change is only right if the store confirms what is current, or that a ticket still holds. */
function isExact({ precondition, ticket }: ChangeRules): boolean {
  return precondition !== undefined || ticket !== undefined;
}

export function versionNotFound(): CodedError {
  return new CodedError('version_not_found', 'The history of the avatar has no such version.');
}
