import pLimit, { type LimitFunction } from 'p-limit';

/** A clock that only goes forward, and its timers. */
export interface Clock {
  /** In ms. */
  now(): number;
  /** Calls back after some ms, and never earlier. @returns what cancels that */
  after(ms: number, then: () => void): () => void;
}

/** The clock of this process. */
const MONOTONIC: Clock = {
  now: () => performance.now(),
  after: (ms, then) => {
    // Node rounds down.
    const timer = setTimeout(then, Math.ceil(ms) + 1);
    return () => {
      clearTimeout(timer);
    };
  },
};

/** How often a queue tries, and until when. Instants are by its clock. */
export interface RetryRules {
  /**
   * @param failures in a row
   * @returns how long to wait for the next attempt, in ms; undefined: there is none
   */
  waitAfter: (failures: number) => number | undefined;
  /** Nothing waits beyond this instant, and what begins after it is not repeated. */
  dueBy?: number;
  /** What has not begun by then is given up. */
  giveUpAt?: number;
}

/** Something to do. */
export interface Entry {
  /** Entries with the same key that wait are done together. */
  key: string;
  items: readonly string[];
  /** One or more instants, by the clock of the queue: it is done again once each of them has come. */
  repeats: readonly number[];
}

/** What a queue calls. */
export interface Worker {
  /** @throws Error if it has to be tried again */
  work(items: readonly string[]): Promise<void>;
  /** @param more whether it is tried again */
  failed(error: Error, more: boolean): void;
  gaveUp(key: string, failures: number): void;
}

/** Entries of one key that wait for their turn or their time, or are being done. */
interface Job {
  key: string;
  items: Set<string>;
  repeats: number[];
  /** In a row. */
  failures: number;
  /** Ends its waiting. Undefined once its time has come. */
  cancel?: (() => void) | undefined;
  /** Called with the outcome of the next attempt. */
  told: ((done: boolean) => void)[];
}

/** Does things at once, again at given instants, and again if they fail. */
export class RetryQueue {
  private readonly limit: LimitFunction;
  /** Those that wait, by key. */
  private readonly jobs = new Map<string, Job>();
  private running = 0;
  /** Called when nothing is left to do. */
  private idle: (() => void) | undefined;

  /**
   * @param limits how many keys may wait, and how many attempts run at a time
   * @param rules may be replaced at any time
   */
  constructor(
    private readonly limits: { keys: number; concurrency: number },
    public rules: RetryRules,
    private readonly worker: Worker,
    private readonly clock: Clock = MONOTONIC,
  ) {
    this.limit = pLimit(limits.concurrency);
  }

  /** How many keys wait, also to be done again. */
  get size(): number {
    return this.jobs.size;
  }

  /** @returns false if too many keys wait, and the entry was not taken */
  offer(entry: Entry): boolean {
    if (!this.jobs.has(entry.key) && this.jobs.size >= this.limits.keys) return false;
    this.add(entry);
    return true;
  }

  /** Takes an entry even if too many wait. @param told called with whether the next attempt succeeded */
  add({ key, items, repeats }: Entry, told?: (done: boolean) => void): void {
    const known = this.jobs.get(key);
    const job = known ?? { key, items: new Set(), repeats: [], failures: 0, told: [] };
    for (const item of items) job.items.add(item);
    job.repeats = withLater(repeats, job.repeats);
    if (told) job.told.push(told);
    // Whatever happened to earlier entries, this one has all its attempts.
    job.failures = 0;
    if (!known || job.cancel) this.schedule(job, 0);
  }

  /** Does what still waits, and tries at once what has failed. @param rules hold from now on */
  finish(rules: RetryRules): Promise<void> {
    this.rules = rules;
    for (const job of this.jobs.values()) {
      if (job.cancel) this.schedule(job, job.failures > 0 ? 0 : this.waitToRepeat(job));
    }
    return new Promise((resolve) => {
      this.idle = resolve;
      this.tellIfIdle();
    });
  }

  private waitToRepeat({ repeats }: Job): number {
    return Math.min(...repeats) - this.clock.now();
  }

  private schedule(job: Job, waitMs: number): void {
    this.jobs.set(job.key, job);
    job.cancel?.();
    const ms = Math.min(waitMs, (this.rules.dueBy ?? Infinity) - this.clock.now());
    if (ms > 0) {
      job.cancel = this.clock.after(ms, () => {
        this.schedule(job, 0);
      });
      return;
    }
    job.cancel = undefined;
    void this.limit(() => this.run(job));
  }

  private async run(job: Job): Promise<void> {
    this.jobs.delete(job.key);
    const begun = this.clock.now();
    if (begun > (this.rules.giveUpAt ?? Infinity)) {
      this.worker.gaveUp(job.key, job.failures);
      this.tellIfIdle();
      return;
    }
    this.running++;
    const told = job.told.splice(0);
    try {
      await this.worker.work([...job.items]);
      job.failures = 0;
      for (const tell of told) tell(true);
      job.repeats = job.repeats.filter((at) => begun < Math.min(at, this.rules.dueBy ?? Infinity));
      if (job.repeats.length > 0) this.again(job, this.waitToRepeat(job));
    } catch (error) {
      job.failures++;
      for (const tell of told) tell(false);
      // If there are newer entries of the key, their job takes over.
      const waitMs = this.jobs.has(job.key) ? 0 : this.rules.waitAfter(job.failures);
      this.worker.failed(error as Error, waitMs !== undefined);
      if (waitMs === undefined) this.worker.gaveUp(job.key, job.failures);
      else this.again(job, waitMs);
    } finally {
      this.running--;
      this.tellIfIdle();
    }
  }

  /** Runs a job once more, as a part of the newer one if there is one. */
  private again(job: Job, waitMs: number): void {
    const newer = this.jobs.get(job.key);
    if (!newer) {
      this.schedule(job, waitMs);
      return;
    }
    for (const item of job.items) newer.items.add(item);
    newer.repeats = withLater(newer.repeats, job.repeats);
  }

  private tellIfIdle(): void {
    if (this.jobs.size + this.running === 0) this.idle?.();
  }
}

/** When to repeat two entries: what repeats the newer one does so for the older one as well. */
function withLater(newer: readonly number[], older: readonly number[]): number[] {
  const last = Math.max(...newer);
  return [...newer, ...older.filter((at) => at > last)];
}
