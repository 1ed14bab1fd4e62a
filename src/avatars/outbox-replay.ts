import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import pLimit from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { PROBES } from '../model/keys.js';
import { Outbox } from '../outbox/outbox.js';
import { isCircuitOpen } from '../storage/guarded.store.js';
import { ObjectStore, StorageUnavailable } from '../storage/object-store.js';
import { tryEveryCall } from '../storage/trials/every-call.js';
import { LogOnce } from '../tools/log-once.js';
import { AvatarChanges } from './avatar.changes.js';
import { AvatarErasure } from './avatar.erasure.js';
import { AvatarEvents } from './avatar.events.js';
import { FailingAvatars } from './failing-avatars.js';
import { type PendingChange, PendingChanges, type PendingEntry } from './pending-changes.js';
import { VersionErasure } from './version.erasure.js';

interface Round {
  /** Whether the storage was seen to work in this round. */
  working: boolean;
  carriedOut: number;
}

/** Avatars whose entries are carried out at the same time. */
const CONCURRENCY = 4;

/**
 * Carries out pending changes as soon as the store is back, in rounds, and the entries of each avatar in
 * order. If an avatar keeps failing while the store works for others, its entries are set aside, so that they
 * do not fill the outbox.
 */
@Injectable()
export class OutboxReplay implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(OutboxReplay.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  /** Why an entry has to wait: the log tells each reason once, not once for each round. */
  private readonly reasons: LogOnce;
  private readonly failing: FailingAvatars;
  /** One key for all rounds: if deletes fail, one object is left, not one for each round. */
  private readonly probe = `${PROBES}${randomUUID()}`;
  /** Whether the last round had failures. */
  private hadFailures = false;

  constructor(
    private readonly changes: AvatarChanges,
    private readonly erasure: AvatarErasure,
    private readonly versions: VersionErasure,
    private readonly pending: PendingChanges,
    private readonly store: ObjectStore,
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
    private readonly outbox: Outbox<PendingChange>,
  ) {
    this.failing = new FailingAvatars(settings.outboxSetAsideAfterMs);
    this.reasons = new LogOnce(Infinity, settings.outboxMaxEntries);
  }

  onApplicationBootstrap(): void {
    if (this.outbox.enabled) this.wait();
  }

  /** Runs a last round: the disk may disappear with the process. */
  async onApplicationShutdown(): Promise<void> {
    await this.finish();
    await this.events.ended();
  }

  private async finish(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
    await this.round();
    const { entries } = this.outbox.report();
    if (entries > 0)
      this.logger.warn(
        { entries },
        'stopping with entries in the outbox: keep its disk, the next start carries them out',
      );
    await this.outbox.close();
  }

  private wait(): void {
    this.timer = setTimeout(() => {
      this.running = this.round().finally(() => {
        if (!this.stopped) this.wait();
      });
    }, this.settings.outboxReplayIntervalMs);
    this.timer.unref();
  }

  private async round(): Promise<void> {
    try {
      await this.outbox.adopt();
    } catch (error) {
      this.logger.error(
        { err: error },
        'the folders of the outbox cannot be read: check OUTBOX_PATH and its disk',
      );
    }
    // Avatars without entries: an erasure drops them, too.
    this.failing.forget((id) => this.outbox.entriesOf(id).length > 0);
    if (this.outbox.report().entries === 0) return;
    // The last round sets no avatar aside: a check of the storage could take too long.
    const judging = this.hadFailures && !this.stopped;
    const round = { working: judging && (await this.storageWorks()), carriedOut: 0 };
    if (judging && this.stopped) return;
    const avatars = new Map<string, PendingEntry[]>();
    for (const entry of this.outbox.entries())
      avatars.set(entry.id, [...(avatars.get(entry.id) ?? []), entry]);
    this.hadFailures = false;
    const limit = pLimit(CONCURRENCY);
    const ids = this.failing.inTurn(avatars.keys());
    await Promise.all(ids.map((id) => limit(() => this.replayAll(avatars.get(id) ?? [], round))));
    const { carriedOut } = round;
    if (carriedOut > 0)
      this.logger.log({ carriedOut, left: this.outbox.report().entries }, 'replayed the outbox');
  }

  /** Replays the entries of an avatar, up to the first that has to wait. */
  private async replayAll(entries: readonly PendingEntry[], round: Round): Promise<void> {
    for (const entry of entries) if (!(await this.replay(entry, round))) return;
  }

  /** Replays an entry, or sets it aside. @returns whether the entry has left the queue */
  private async replay(entry: PendingEntry, round: Round): Promise<boolean> {
    try {
      const hopeless = await this.carryOut(entry);
      if (hopeless !== undefined) return await this.setAside(entry, hopeless);
      await this.outbox.remove(entry);
      this.failing.succeeded(entry.id);
      round.carriedOut++;
      return true;
    } catch (error) {
      if (!(error instanceof CodedError)) return this.setAside(entry, String(error));
      this.hadFailures = true;
      if (round.working && isOfAvatar(error) && this.failing.failed(entry.id)) {
        return this.setAside(entry, `it kept failing while the storage worked: ${describe(error)}`);
      }
      this.logWaiting(entry, error);
      return false;
    }
  }

  /** Carries out an entry. @returns undefined, or the reason why it can never be carried out */
  private async carryOut(entry: PendingEntry): Promise<string | undefined> {
    const { change } = entry;
    const { intent, requestId } = change;
    const master = await this.pending.masterOf(entry);
    if (intent.type === 'erase') await this.erasure.replay(entry.id, intent, requestId);
    else if (intent.type === 'eraseVersion') await this.versions.replay(entry.id, intent, requestId);
    else return this.changes.replay(entry.id, { ...change, intent }, master);
    return undefined;
  }

  /** Sets an entry aside. @returns whether that worked */
  private async setAside(entry: PendingEntry, reason: string): Promise<boolean> {
    try {
      await this.outbox.setAside(entry, reason);
      return true;
    } catch (error) {
      const { name, id } = entry;
      if (this.reasons.isFirst(`${name} aside ${reason}`))
        this.logger.error(
          { entry: name, id, reason, err: error },
          'an outbox entry cannot be set aside: check the disk of OUTBOX_PATH',
        );
      return false;
    }
  }

  /**
   * Whether the storage stores, reads, lists and deletes an object of our own. The check runs at the start of
   * a round and through the circuit breaker, so it closes a circuit that avatars opened in the last round.
   */
  private async storageWorks(): Promise<boolean> {
    try {
      await tryEveryCall(this.store, this.probe);
    } catch (error) {
      // An open circuit did not ask the store, so it tells nothing.
      if (!isCircuitOpen(error)) this.failing.storageIsAway();
      this.logger.debug({ err: error }, 'the storage does not work for an object of our own either');
      return false;
    }
    this.failing.storageWorks();
    return true;
  }

  private logWaiting(entry: PendingEntry, error: CodedError): void {
    const { name, id } = entry;
    if (!this.reasons.isFirst(`${name} ${describe(error)}`)) return;
    // The health of the storage tells of an outage. It may miss what only some calls are refused.
    const level = error instanceof StorageUnavailable ? 'debug' : 'warn';
    this.logger[level](
      { entry: name, id, err: error },
      'an outbox entry could not be carried out: the next round tries again',
    );
  }
}

/**
 * Whether the avatar may be the cause of a failure. A full storage is not: it needs room, although it still
 * takes small objects.
 */
function isOfAvatar(error: CodedError): boolean {
  return !isCircuitOpen(error) && error.code !== 'storage_full';
}

function describe({ code, message, cause }: CodedError): string {
  return `${code}: ${message}${cause instanceof Error ? ` (${String(cause)})` : ''}`;
}
