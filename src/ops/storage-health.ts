import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ObjectStore, StorageRefused, type StoreHealth } from '../storage/object-store.js';
import { SharedCheck } from './shared-check.js';

/** The result of a check of the storage. */
export interface StorageReport {
  backend: string;
  reachable: boolean;
  /** It answers, but refuses us: wrong keys, no such bucket, no permission. */
  refused?: true;
  /** `unknown` until the first check that reached the backend. */
  conditionalWrites: StoreHealth['conditionalWrites'] | 'unknown';
  /** It has no room for uploads; everything else works. */
  full?: true;
  /** How far the clock of the storage is ahead of this machine's, in ms, if that is five minutes or more. */
  clockOffsetMs?: number;
  /** It has not answered within HEALTH_TIMEOUT_MS, and so counts as not reachable. The rest is what it last said. */
  overdue?: true;
}

/** Checks whether the backend can be used and what it guarantees. Logs what changes. */
@Injectable()
export class StorageHealth implements OnApplicationBootstrap {
  private readonly logger = new Logger(StorageHealth.name);
  private report: StorageReport | undefined;
  private checkedAt = -Infinity;
  private readonly check: SharedCheck<StorageReport>;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {
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

  /** The service starts even if the backend is away: readiness says so, and the backend may come back. */
  async onApplicationBootstrap(): Promise<void> {
    this.logger.log(`Using ${this.store.backend} storage backend: ${this.store.location}`);
    await this.ask();
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
    const { backend, location } = this.store;
    let report: StorageReport;
    try {
      report = { backend, reachable: true, ...(await this.store.check()) };
    } catch (error) {
      if (before?.reachable !== false)
        this.logger.error({ backend, location, err: error }, 'the storage cannot be used');
      report = {
        backend,
        reachable: false,
        ...(error instanceof StorageRefused && { refused: true }),
        conditionalWrites: before?.conditionalWrites ?? 'unknown',
      };
    }
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
    if (report.conditionalWrites === 'emulated' && before?.conditionalWrites !== 'emulated') {
      this.logger.error(
        { backend, location },
        'the storage ignores conditional writes: run ONE replica only. With more, concurrent uploads of one avatar get lost',
      );
    }
    this.report = report;
    this.checkedAt = performance.now();
    return report;
  }
}
