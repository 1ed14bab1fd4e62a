import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { LogOnce } from '../../tools/log-once.js';
import { DiscardedReads } from '../discarded-reads.js';
import { ObjectStore, StorageRefused } from '../object-store.js';
import { SharedCheck } from './shared-check.js';
import { type StorageReport, unfitness } from './storage-report.js';
import { StorageTrials } from './storage-trials.js';

/** Checks whether the backend can be used and what it guarantees. Logs what changes. */
@Injectable()
export class StorageHealth implements OnApplicationBootstrap {
  private readonly logger = new Logger(StorageHealth.name);
  /** What the last check saw. Trials may have found out more. */
  private seen: StorageReport | undefined;
  private checkedAt = -Infinity;
  private started = false;
  private readonly unfit = new LogOnce(Infinity, 1);
  private readonly check: SharedCheck<StorageReport>;
  private readonly trials: StorageTrials;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
    discarded: DiscardedReads,
  ) {
    this.trials = new StorageTrials(store, () => discarded.ofProbes);
    this.check = new SharedCheck(
      () => this.look(),
      settings.healthTimeoutMs,
      () => {
        this.logger.warn(
          { backend: store.backend, location: store.location },
          `the storage has not answered within ${settings.healthTimeoutMs} ms: readiness calls it unreachable until it does`,
        );
      },
    );
  }

  /**
   * The service starts even if the backend is away: readiness says so, and the backend may come back.
   * @throws UnfitStorage if it does not do what the settings require
   */
  async onApplicationBootstrap(): Promise<void> {
    const { backend, location } = this.store;
    this.logger.log(`Using ${backend} storage backend: ${location}`);
    const { storageRequireConditionalWrites: required, healthTimeoutMs } = this.settings;
    const seen = await this.check.complete();
    const tried = this.tryOut(seen);
    await (required ? tried : Promise.race([tried, sleep(healthTimeoutMs, undefined, { ref: false })]));
    const unfit = required && unfitness(this.withFindings(seen), location);
    if (unfit) throw unfit;
    this.started = true;
  }

  /** Whether the storage is known to do what the settings require. */
  isFit({ conditionalWrites }: Pick<StorageReport, 'conditionalWrites'>): boolean {
    return !this.settings.storageRequireConditionalWrites || conditionalWrites === 'honoured';
  }

  /** Whether a check of this process has reached the backend. */
  get wasReached(): boolean {
    return this.seen !== undefined && this.seen.conditionalWrites !== 'unknown';
  }

  /** The last report, without a new check; undefined before the first one. */
  get last(): StorageReport | undefined {
    return this.seen && this.withFindings(this.seen);
  }

  /**
   * Checks the backend, and tries it unless that was done. Callers share a check.
   * @returns a report that is no older than `healthMaxAgeMs`
   */
  async ask(): Promise<StorageReport> {
    const seen = this.recent() ?? (await this.check.complete());
    await this.tryOut(seen);
    return this.withFindings(seen);
  }

  /**
   * The same within `healthTimeoutMs`: a check can take several times the deadline of one call to the
   * backend. Trials are not waited for.
   */
  async askInTime(): Promise<StorageReport> {
    const seen = this.recent() ?? (await this.check.inTime()) ?? this.withoutAnswer();
    void this.tryOut(seen);
    return this.withFindings(seen);
  }

  private recent(): StorageReport | undefined {
    return performance.now() - this.checkedAt < this.settings.healthMaxAgeMs ? this.seen : undefined;
  }

  private withoutAnswer(): StorageReport {
    const { backend } = this.store;
    return { backend, conditionalWrites: 'unknown', ...this.seen, reachable: false, overdue: true };
  }

  private async tryOut({ reachable, full, conditionalWrites }: StorageReport): Promise<void> {
    if (!reachable || full || conditionalWrites !== 'honoured') return;
    const found = await this.trials.run();
    if (found) this.logUnfit(found);
  }

  /** At the start it ends the service, whose last line says so. */
  private logUnfit(found: Pick<StorageReport, 'conditionalWrites'>): void {
    const unfit = this.started && !this.isFit(found) && unfitness(found, this.store.location);
    if (!unfit || !this.unfit.isFirst('')) return;
    this.logger.error(`${unfit.message}. This replica does not become ready`);
  }

  private withFindings(seen: StorageReport): StorageReport {
    const { findings } = this.trials;
    if (seen.conditionalWrites !== 'honoured') return seen;
    return {
      ...seen,
      // A full storage cannot be tried. Then the word of the driver has to do.
      conditionalWrites: findings?.conditionalWrites ?? (seen.full ? 'honoured' : 'unknown'),
      ...(findings?.mixedReads && { mixedReads: true }),
    };
  }

  private async look(): Promise<StorageReport> {
    const before = this.seen;
    const seen = await this.examine(before);
    this.logChanges(seen, before);
    this.seen = seen;
    this.checkedAt = performance.now();
    return seen;
  }

  private async examine(before: StorageReport | undefined): Promise<StorageReport> {
    const { backend, location } = this.store;
    try {
      return { backend, reachable: true, ...(await this.store.check()) };
    } catch (error) {
      if (before?.reachable !== false)
        this.logger.error({ backend, location, err: error }, 'the storage cannot be used');
      return {
        backend,
        reachable: false,
        ...(error instanceof StorageRefused && { refused: true }),
        conditionalWrites: before?.conditionalWrites ?? 'unknown',
      };
    }
  }

  private logChanges(report: StorageReport, before: StorageReport | undefined): void {
    const { backend, location } = this.store;
    if (report.reachable && !before?.reachable)
      this.logger.log({ ...report, location }, 'the storage can be used');
    if (report.full && !before?.full)
      this.logger.error(
        { backend, location },
        'the storage is full, so uploads are refused: make room, or delete avatars',
      );
    if (report.clockOffsetMs !== undefined && before?.clockOffsetMs === undefined) {
      this.logger.error(
        { backend, location, clockOffsetMs: report.clockOffsetMs },
        'the clock of this machine is wrong, and uploads get its time: synchronize it by NTP',
      );
    }
    if (report.conditionalWrites === before?.conditionalWrites) return;
    if (report.conditionalWrites === 'emulated') {
      this.logger.error(
        { backend, location },
        'the storage ignores conditional writes: run ONE replica only. With more, concurrent uploads of one avatar get lost',
      );
      this.logUnfit(report);
    }
  }
}
