import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { DiscardedReads } from '../storage/discarded-reads.js';
import { ObjectStore, StorageRefused } from '../storage/object-store.js';
import { SharedCheck } from './shared-check.js';
import { type StorageReport, unfitness } from './storage-report.js';
import { StorageTrials } from './storage-trials.js';

/** Checks whether the backend can be used and what it guarantees. Logs what changes. */
@Injectable()
export class StorageHealth implements OnApplicationBootstrap {
  private readonly logger = new Logger(StorageHealth.name);
  private report: StorageReport | undefined;
  private checkedAt = -Infinity;
  private started = false;
  private readonly check: SharedCheck<StorageReport>;
  private readonly trials: StorageTrials;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
    discarded: DiscardedReads,
  ) {
    this.trials = new StorageTrials(store, () => discarded.count);
    this.check = new SharedCheck(
      () => this.look(),
      settings.healthTimeoutMs,
      () => {
        this.logger.warn(
          { backend: store.backend, location: store.location },
          'the storage has not answered within HEALTH_TIMEOUT_MS: readiness calls it unreachable until it does',
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
    const report = await this.ask();
    const unfit = this.settings.storageRequireConditionalWrites && unfitness(report, location);
    if (unfit) throw unfit;
    this.started = true;
  }

  /** Whether the storage is known to do what the settings require. */
  isFit({ conditionalWrites }: StorageReport): boolean {
    return !this.settings.storageRequireConditionalWrites || conditionalWrites === 'honoured';
  }

  /** The last report, without a new check; undefined before the first one. */
  get last(): StorageReport | undefined {
    return this.report;
  }

  /** Checks the backend. Callers share a check. @returns a report that is no older than HEALTH_MAX_AGE_MS */
  async ask(): Promise<StorageReport> {
    return this.recent() ?? this.check.complete();
  }

  /** The same within HEALTH_TIMEOUT_MS: a check can take several times the deadline of one call to the backend. */
  async askInTime(): Promise<StorageReport> {
    return this.recent() ?? (await this.check.inTime()) ?? this.withoutAnswer();
  }

  private recent(): StorageReport | undefined {
    return performance.now() - this.checkedAt < this.settings.healthMaxAgeMs ? this.report : undefined;
  }

  private withoutAnswer(): StorageReport {
    const { backend } = this.store;
    return { backend, conditionalWrites: 'unknown', ...this.report, reachable: false, overdue: true };
  }

  private async look(): Promise<StorageReport> {
    const before = this.report;
    const report = await this.examine(before);
    this.logChanges(report, before);
    this.report = report;
    this.checkedAt = performance.now();
    return report;
  }

  private async examine(before: StorageReport | undefined): Promise<StorageReport> {
    const { backend, location } = this.store;
    try {
      const health = await this.store.check();
      const found = health.full ? undefined : await this.trials.run();
      return {
        backend,
        reachable: true,
        ...health,
        ...(health.conditionalWrites === 'honoured' && {
          conditionalWrites: found?.conditionalWrites ?? 'unknown',
        }),
        ...(found?.mixedReads && { mixedReads: true }),
      };
    } catch (error) {
      if (before?.reachable !== false)
        this.logger.error({ backend, location, err: error }, 'the storage cannot be used');
      return {
        backend,
        reachable: false,
        ...(error instanceof StorageRefused && { refused: true }),
        conditionalWrites: before?.conditionalWrites ?? 'unknown',
        ...(before?.mixedReads && { mixedReads: true }),
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
    }
    // At the start it ends the service, whose last line says so.
    const unfit = this.started && !this.isFit(report) && unfitness(report, location);
    if (unfit) this.logger.error(`${unfit.message}. This replica does not become ready`);
  }
}
