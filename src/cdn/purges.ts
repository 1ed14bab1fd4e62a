import { Inject, Injectable, Logger, type OnModuleInit, Optional } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { AvatarEvents, type AvatarListener, type Purged } from '../avatars/avatar.events.js';
import { keepableMs } from '../avatars/read-token.js';
import { Settings } from '../config/settings.js';
import { LogOnce } from '../tools/log-once.js';
import { type Purgeable, pathsOf, tagsOf } from '../model/purging.js';
import { Cdn, PurgeFailed } from './cdn.js';

/** How long an answer with the old picture may be on its way to the CDN, in ms. */
const ON_ITS_WAY_MS = 1000;

/** The wait after the first failure, which doubles with each, and the longest one, in ms. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 300_000;

/** How long the process goes on purging when it stops, in ms, apart from calls under way. */
const STOPPING_MS = 3000;

/** How often a program tries: for its change, and once more when it ends. */
const PROGRAM_ATTEMPTS = 2;

/** A cause of failures is logged once in this time, in ms. */
const LOG_WINDOW_MS = 60_000;

/** A purge that waits for its turn or its time, or runs. */
interface Job {
  id: string;
  items: Set<string>;
  /** By the monotonic clock: the purge is repeated once each of them has come. */
  repeats: number[];
  /** Calls that failed in a row. */
  failures: number;
  /** Undefined once its time has come. */
  timer?: NodeJS.Timeout | undefined;
  /** Called with the outcome of the next call. */
  told: ((accepted: boolean) => void)[];
}

/**
 * Purges the CDN after each change, in the background: at once, and again when no replica shows the old picture from memory any more, since
 * the CDN may have fetched it from one of them meanwhile. Replicas remember longer that a hash stands for nobody, so a new hash is purged
 * once more after that. A purge that fails is repeated. Changes of one avatar that wait share a purge.
 */
@Injectable()
export class Purges implements AvatarListener, OnModuleInit {
  /** Calls that the CDN accepted and that failed, and changes whose purge was given up or dropped because too many waited. */
  readonly counts = { accepted: 0, failed: 0, given_up: 0, dropped: 0 };
  private readonly logger = new Logger(Purges.name);
  private readonly failures = new LogOnce(LOG_WINDOW_MS, 20);
  private readonly limit: LimitFunction;
  /** By id. */
  private readonly jobs = new Map<string, Job>();
  private running = 0;
  /** When the process gives up waiting, by the monotonic clock, and whom to tell that nothing is left to do. */
  private stop: { at: number; idle: () => void } | undefined;
  /** Set in a program, which ends after its changes. */
  private notPurged: ((id: string) => void) | undefined;

  constructor(
    private readonly events: AvatarEvents,
    private readonly settings: Settings,
    @Optional() @Inject(Cdn) private readonly cdn?: Cdn,
  ) {
    this.limit = pLimit(settings.cdnConcurrency);
  }

  onModuleInit(): void {
    if (this.cdn) this.events.subscribe(this);
  }

  /** Whether there is a CDN to purge. */
  get enabled(): boolean {
    return this.cdn !== undefined;
  }

  /** How many avatars wait for a purge, also for the repeated one. */
  get waiting(): number {
    return this.jobs.size;
  }

  /**
   * Has every purge carried out before the process ends, however slow the CDN is: for a program, for which no client waits. An erasure then
   * waits for its call behind all others, and a call that failed is repeated once, at the end.
   * @param notPurged told of each avatar that was not purged after all
   */
  carryOutAll(notPurged: (id: string) => void): void {
    this.notPurged = notPurged;
  }

  changed(change: Purgeable): void {
    if (this.jobs.has(change.id) || this.jobs.size < this.settings.cdnQueue) this.request(change);
    else this.drop();
  }

  /** An erasure is never dropped. */
  async purge(change: Purgeable): Promise<Purged> {
    const job = this.request(change);
    const accepted = new Promise<boolean>((resolve) => {
      const timer = this.notPurged ? undefined : setTimeout(resolve, this.settings.cdnTimeoutMs, false);
      job.told.push((outcome) => {
        clearTimeout(timer);
        resolve(outcome);
      });
    });
    const shown = this.itemsOf(change).map((item) => item.replace(/^\/avatar\/.*/, '/avatar/-'));
    return { accepted: await accepted, [this.cdn?.by ?? 'tags']: [...new Set(shown)] };
  }

  /** Purges what still waits: a program all of it, the service for a few seconds. */
  async ended(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      const at = this.notPurged ? Infinity : performance.now() + STOPPING_MS;
      this.stop = { at, idle: resolve };
    });
    for (const job of this.jobs.values()) {
      if (job.timer) this.schedule(job, job.failures > 0 ? 0 : nextOf(job) - performance.now());
    }
    this.tellIfIdle();
    await idle;
    this.failures.flush();
  }

  private itemsOf(change: Purgeable): string[] {
    return this.cdn?.by === 'paths' ? pathsOf(change) : tagsOf(change);
  }

  private request(change: Purgeable): Job {
    const { id } = change;
    const known = this.jobs.get(id);
    const job = known ?? { id, items: new Set(), repeats: [], failures: 0, told: [] };
    for (const item of this.itemsOf(change)) job.items.add(item);
    job.repeats = withLater(this.repeatsOf(change), job.repeats);
    // Whatever happened to earlier changes, this one has all its attempts.
    job.failures = 0;
    if (!known || job.timer) this.schedule(job, 0);
    return job;
  }

  /** When to repeat the purge of a change that happens now. */
  private repeatsOf({ registered }: Purgeable): number[] {
    const { cacheMaxAgeMs, cacheUnknownHashMs } = this.settings;
    const arrived = performance.now() + ON_ITS_WAY_MS;
    const keepable = keepableMs(cacheMaxAgeMs);
    const late = registered && cacheUnknownHashMs > keepable;
    return [arrived + keepable, ...(late ? [arrived + cacheUnknownHashMs] : [])];
  }

  private schedule(job: Job, waitMs: number): void {
    this.jobs.set(job.id, job);
    clearTimeout(job.timer);
    const ms = this.stop ? Math.min(waitMs, this.stop.at - performance.now()) : waitMs;
    if (ms > 0) {
      // Node rounds down, and a purge that began too early would be repeated.
      const rounded = Math.ceil(ms) + 1;
      job.timer = setTimeout(() => {
        this.schedule(job, 0);
      }, rounded);
      return;
    }
    job.timer = undefined;
    void this.limit(() => this.run(job));
  }

  private async run(job: Job): Promise<void> {
    this.jobs.delete(job.id);
    if (this.stop && performance.now() > this.stop.at + this.settings.cdnTimeoutMs) {
      this.giveUp(job);
      this.tellIfIdle();
      return;
    }
    this.running++;
    const begun = performance.now();
    const told = job.told.splice(0);
    try {
      await this.cdn?.purge([...job.items]);
      this.counts.accepted++;
      job.failures = 0;
      for (const tell of told) tell(true);
      job.repeats = job.repeats.filter((at) => begun < Math.min(at, this.stop?.at ?? Infinity));
      if (job.repeats.length > 0) this.again(job, nextOf(job) - performance.now());
    } catch (error) {
      this.counts.failed++;
      job.failures++;
      for (const tell of told) tell(false);
      const more = this.hasMoreAttempts(job);
      this.log(error as Error, more);
      if (more) this.again(job, this.waitAfter(job.failures));
      else this.giveUp(job);
    } finally {
      this.running--;
      this.tellIfIdle();
    }
  }

  private hasMoreAttempts({ id, failures }: Job): boolean {
    // The newer job of the avatar takes over.
    if (this.jobs.has(id)) return true;
    const { cdnAttempts } = this.settings;
    if (this.notPurged) return failures < Math.min(PROGRAM_ATTEMPTS, cdnAttempts);
    return failures < cdnAttempts && !this.stop;
  }

  /** How long to wait after failures, in ms. A program repeats calls at its end, so that they don't hold up first ones. */
  private waitAfter(failures: number): number {
    if (this.notPurged && !this.stop) return LONGEST_WAIT_MS;
    return Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS);
  }

  /** Runs a job once more. If the avatar has changed meanwhile, its newer job takes over. */
  private again(job: Job, waitMs: number): void {
    const newer = this.jobs.get(job.id);
    if (!newer) {
      this.schedule(job, waitMs);
      return;
    }
    for (const item of job.items) newer.items.add(item);
    newer.repeats = withLater(newer.repeats, job.repeats);
  }

  private giveUp({ id, failures }: Job): void {
    this.counts.given_up++;
    this.notPurged?.(id);
    this.logger.error(
      { id, failures },
      'the CDN was not purged after a change: purge this avatar by hand, or erase it again if it was erased (docs/cdn.md)',
    );
  }

  private drop(): void {
    this.counts.dropped++;
    const message =
      'too many purges wait for the CDN, so that further changes are not purged: purge everything once it works again';
    const summarize = (leftOut: number) => {
      this.logger.error({ leftOut }, 'more changes were not purged');
    };
    if (this.failures.isFirst(message, summarize)) this.logger.error({ waiting: this.jobs.size }, message);
  }

  private log(error: Error, more: boolean): void {
    const advice = error instanceof PurgeFailed ? error.advice : 'This is a defect: please report it.';
    const summarize = (leftOut: number) => {
      this.logger.warn({ reason: error.message, leftOut }, 'more purges failed like this one');
    };
    if (!this.failures.isFirst(error.message, summarize)) return;
    const message = `a purge of the CDN failed${more ? ': it is tried again' : ''}`;
    this.logger.warn({ reason: error.message, advice }, message);
  }

  private tellIfIdle(): void {
    if (this.jobs.size + this.running === 0) this.stop?.idle();
  }
}

/** When a job is due, unless a call of it failed. */
function nextOf({ repeats }: Job): number {
  return Math.min(...repeats);
}

/** When to repeat a purge for two changes: what repeats it for the newer one does so for the older one as well. */
function withLater(newer: readonly number[], older: readonly number[]): number[] {
  const last = Math.max(...newer);
  return [...newer, ...older.filter((at) => at > last)];
}
