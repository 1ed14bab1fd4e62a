import { Logger } from '@nestjs/common';
import pLimit from 'p-limit';
import type { AvatarChanges } from '../avatars/avatar.changes.js';
import { CodedError } from '../errors.js';
import { isAway } from '../storage/object-store.js';
import type { Outbox, OutboxEntry } from './outbox.js';

export interface OutboxReplayOptions {
  /** Time between two rounds, in ms. */
  intervalMs: number;
}

/** Avatars whose entries are carried out at the same time. */
const CONCURRENCY = 4;

/** Carries out what the outbox holds as soon as the store is back: round after round, each avatar's entries in their order. */
export class OutboxReplay {
  private readonly logger = new Logger(OutboxReplay.name);
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private readonly told = new Map<string, string>();

  constructor(
    private readonly outbox: Outbox,
    private readonly changes: AvatarChanges,
    private readonly options: OutboxReplayOptions,
  ) {}

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
    const before = this.outbox.report().entries;
    if (before === 0) return;
    const avatars = new Map<string, OutboxEntry[]>();
    for (const entry of this.outbox.entries())
      avatars.set(entry.id, [...(avatars.get(entry.id) ?? []), entry]);
    const limit = pLimit(CONCURRENCY);
    await Promise.all([...avatars.values()].map((entries) => limit(() => this.replayAll(entries))));
    const { entries } = this.outbox.report();
    if (entries < before)
      this.logger.log({ carriedOut: before - entries, left: entries }, 'replayed the outbox');
  }

  /** Up to the first that has to wait. */
  private async replayAll(entries: readonly OutboxEntry[]): Promise<void> {
    for (const entry of entries) if (!(await this.replay(entry))) return;
  }

  /** @returns whether the entry is dealt with */
  private async replay(entry: OutboxEntry): Promise<boolean> {
    try {
      const hopeless = await this.changes.replay(entry, await this.outbox.masterOf(entry));
      if (hopeless === undefined) await this.outbox.remove(entry);
      else await this.outbox.setAside(entry, hopeless);
      this.told.delete(entry.name);
      return true;
    } catch (error) {
      if (error instanceof CodedError) {
        this.tell(entry, error);
        return false;
      }
      await this.outbox.setAside(entry, String(error));
      return true;
    }
  }

  /** Once for each reason, not once for each round. */
  private tell({ name, id }: OutboxEntry, error: CodedError): void {
    if (this.told.get(name) === error.message) return;
    this.told.set(name, error.message);
    const level = isAway(error) ? 'debug' : 'warn';
    this.logger[level]({ entry: name, id, err: error }, 'an outbox entry has to wait');
  }
}
