import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AvatarEvents, type AvatarListener, type Purged } from '../avatars/avatar.events.js';
import { Settings } from '../config/settings.js';
import { type Purgeable, pathsOf, tagsOf } from '../model/purging.js';
import { LogOnce } from '../tools/log-once.js';
import { Cdn, PurgeFailed } from './cdn.js';
import { type PurgePolicy, policyOfCommand, policyOfService, repeatsOf } from './purge-policies.js';
import { type Entry, RetryQueue, type Worker } from './retry-queue.js';

/** A cause of failures is logged once in this time, in ms. */
const LOG_WINDOW_MS = 60_000;

/** Purges the CDN after each change, in the background. Changes of one avatar that wait share a purge. */
@Injectable()
export class Purges implements AvatarListener, OnModuleInit, Worker {
  /** Calls that were accepted or failed, and changes that were given up, or dropped since too many waited. */
  readonly counts = { accepted: 0, failed: 0, given_up: 0, dropped: 0 };
  private readonly logger = new Logger(Purges.name);
  private readonly failures = new LogOnce(LOG_WINDOW_MS, 20);
  private readonly queue: RetryQueue;
  private policy: PurgePolicy;

  constructor(
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
    private readonly cdn: Cdn,
  ) {
    this.policy = policyOfService(settings);
    const { cdnQueue: keys, cdnConcurrency: concurrency } = settings;
    this.queue = new RetryQueue({ keys, concurrency }, this.policy.rules, this);
  }

  onModuleInit(): void {
    if (this.enabled) this.events.subscribe(this);
  }

  /** Whether there is a CDN to purge. */
  get enabled(): boolean {
    return this.cdn.enabled;
  }

  /** How many avatars wait for a purge, also for the repeated one. */
  get waiting(): number {
    return this.queue.size;
  }

  /**
   * Has every purge carried out before the process ends, however slow the CDN is: for a command.
   * @param notPurged told of each avatar that was not purged after all
   */
  carryOutAll(notPurged: (id: string) => void): void {
    this.policy = policyOfCommand(this.settings, notPurged);
    this.queue.rules = this.policy.rules;
  }

  changed(change: Purgeable): void {
    if (!this.queue.offer(this.entryOf(change))) this.dropped();
  }

  /** An erasure is never dropped. */
  async purge(change: Purgeable): Promise<Purged> {
    const accepted = new Promise<boolean>((resolve) => {
      const { erasureTimeoutMs } = this.policy;
      const timer = erasureTimeoutMs === undefined ? undefined : setTimeout(resolve, erasureTimeoutMs, false);
      this.queue.add(this.entryOf(change), (outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      });
    });
    const shown = this.itemsOf(change).map((item) => item.replace(/^\/avatar\/.*/, '/avatar/-'));
    return { accepted: await accepted, [this.cdn.by]: [...new Set(shown)] };
  }

  /** Purges what still waits. */
  async ended(): Promise<void> {
    await this.queue.finish(this.policy.atEnd(performance.now()));
    this.failures.flush();
  }

  private entryOf(change: Purgeable): Entry {
    const repeats = repeatsOf(change, this.settings, performance.now());
    return { key: change.id, items: this.itemsOf(change), repeats };
  }

  private itemsOf(change: Purgeable): string[] {
    return this.cdn.by === 'paths' ? pathsOf(change) : tagsOf(change);
  }

  async work(items: readonly string[]): Promise<void> {
    await this.cdn.purge(items);
    this.counts.accepted++;
  }

  failed(error: Error, more: boolean): void {
    this.counts.failed++;
    const advice = error instanceof PurgeFailed ? error.advice : 'This is a defect: please report it.';
    const summarize = (leftOut: number) => {
      this.logger.warn({ reason: error.message, leftOut }, 'more purges failed like this one');
    };
    if (!this.failures.isFirst(error.message, summarize)) return;
    const message = `a purge of the CDN failed${more ? ': it is tried again' : ''}`;
    this.logger.warn({ reason: error.message, advice }, message);
  }

  gaveUp(id: string, failures: number): void {
    this.counts.given_up++;
    this.policy.notPurged?.(id);
    this.logger.error(
      { id, failures },
      'the CDN was not purged after a change: purge this avatar by hand, or erase it again if it was erased (docs/cdn.md)',
    );
  }

  private dropped(): void {
    this.counts.dropped++;
    const message =
      'too many purges wait for the CDN, so that further changes are not purged: purge everything once it works again';
    const summarize = (leftOut: number) => {
      this.logger.error({ leftOut }, 'more changes were not purged');
    };
    if (this.failures.isFirst(message, summarize)) this.logger.error({ waiting: this.waiting }, message);
  }
}
