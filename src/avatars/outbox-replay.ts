import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import { CodedError } from '../errors.js';
import { PROBES } from '../model/keys.js';
import type { Outbox, OutboxEntry } from '../outbox/outbox.js';
import { isCircuitOpen } from '../storage/guarded.store.js';
import { type ObjectStore, isAway } from '../storage/object-store.js';
import type { AvatarChanges } from './avatar.changes.js';
import { FailingAvatars } from './failing-avatars.js';

export interface OutboxReplayOptions {
  /** Time between two rounds, in ms. */
  intervalMs: number;
  /** How long an avatar's entries may fail while the storage works before they are set aside, in ms. */
  setAsideAfterMs: number;
}

interface Round {
  /** The storage was seen to work in this round. */
  working: boolean;
  carriedOut: number;
}

/** Avatars whose entries are carried out at the same time. */
const CONCURRENCY = 4;

/**
 * Carries out what the outbox holds as soon as the store is back: round after round, each avatar's entries in their order. Those
 * of an avatar that keeps failing while the store works for others are set aside, so that they do not fill the outbox for all.
 */
export class OutboxReplay {
  private readonly logger = new Logger(OutboxReplay.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  /** By the name of the entry: why it has to wait, as the log knows it. */
  private readonly told = new Map<string, string>();
  private readonly failing: FailingAvatars;
  /** One key, so that not every round of an outage of reads or deletes leaves another object. */
  private readonly probe = `${PROBES}${randomUUID()}`;
  /** Whether the last round had failures. */
  private hadFailures = false;

  constructor(
    private readonly outbox: Outbox,
    private readonly changes: AvatarChanges,
    private readonly store: ObjectStore,
    private readonly options: OutboxReplayOptions,
  ) {
    this.failing = new FailingAvatars(options.setAsideAfterMs);
  }

  start(): void {
    this.timer = setTimeout(() => {
      this.running = this.round().finally(() => {
        if (!this.stopped) this.start();
      });
    }, this.options.intervalMs);
    this.timer.unref();
  }

  /** Ends with a last round, since the disk may go with the process. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
    await this.round();
    const { entries } = this.outbox.report();
    if (entries > 0)
      this.logger.warn({ entries }, 'stopping with entries in the outbox: they wait for the next start');
    await this.outbox.close();
  }

  private async round(): Promise<void> {
    try {
      await this.outbox.adopt();
    } catch (error) {
      this.logger.error({ err: error }, 'the folders of the outbox cannot be read');
    }
    this.forgetGone();
    if (this.outbox.report().entries === 0) return;
    // The last round judges nobody: it has no time to lose.
    const judging = this.hadFailures && !this.stopped;
    const round = { working: judging && (await this.storageWorks()), carriedOut: 0 };
    if (judging && this.stopped) return;
    const avatars = new Map<string, OutboxEntry[]>();
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

  /** Up to the first that has to wait. */
  private async replayAll(entries: readonly OutboxEntry[], round: Round): Promise<void> {
    for (const entry of entries) if (!(await this.replay(entry, round))) return;
  }

  /** @returns whether the entry is dealt with */
  private async replay(entry: OutboxEntry, round: Round): Promise<boolean> {
    try {
      const hopeless = await this.changes.replay(entry, await this.outbox.masterOf(entry));
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
      this.tell(entry, error);
      return false;
    }
  }

  /** @returns whether that could be done */
  private async setAside(entry: OutboxEntry, reason: string): Promise<boolean> {
    try {
      await this.outbox.setAside(entry, reason);
      return true;
    } catch (error) {
      const { name, id } = entry;
      if (this.isNews(entry, reason))
        this.logger.error({ entry: name, id, reason, err: error }, 'an outbox entry cannot be set aside');
      return false;
    }
  }

  /**
   * Whether the storage lists, takes, gives and deletes an object of our own. Asked at the start of a round and through the
   * circuit breaker: a circuit that avatars opened in the last round is closed again by it.
   */
  private async storageWorks(): Promise<boolean> {
    try {
      await this.store.store(this.probe, Buffer.from('written by Visage to see whether the storage works'));
      await this.store.get(this.probe);
      await this.store.list(this.probe)[Symbol.asyncIterator]().next();
      await this.store.delete(this.probe);
    } catch (error) {
      // Nothing is known of a store that was not asked.
      if (!isCircuitOpen(error)) this.failing.storageIsAway();
      this.logger.debug({ err: error }, 'the storage does not work for others either');
      return false;
    }
    this.failing.storageWorks();
    return true;
  }

  /** Entries may also go by an erasure, and when they are set aside. */
  private forgetGone(): void {
    for (const name of this.told.keys()) if (!this.outbox.has(name)) this.told.delete(name);
    this.failing.forget((id) => this.outbox.of(id).length > 0);
  }

  private tell(entry: OutboxEntry, error: CodedError): void {
    if (!this.isNews(entry, error.message)) return;
    const { name, id } = entry;
    const level = isAway(error) ? 'debug' : 'warn';
    this.logger[level]({ entry: name, id, err: error }, 'an outbox entry has to wait');
  }

  /** Once for each reason, not once for each round. */
  private isNews({ name }: OutboxEntry, reason: string): boolean {
    if (this.told.get(name) === reason) return false;
    this.told.set(name, reason);
    return true;
  }
}

/** Whether a failure may lie with the avatar while the storage works. A full one still takes small objects, and has to get room. */
function isOfAvatar(error: CodedError): boolean {
  return !isCircuitOpen(error) && error.code !== 'storage_full';
}

function describe({ code, message, cause }: CodedError): string {
  return `${code}: ${message}${cause instanceof Error ? ` (${String(cause)})` : ''}`;
}
