import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { ObjectStore, StorageRefused, type StoreHealth } from '../storage/object-store.js';

export interface StorageReport {
  backend: string;
  reachable: boolean;
  /** It answers, but not to us: wrong keys, no such bucket, no permission. */
  refused?: true;
  /** `unknown` until the backend could be asked for the first time. */
  conditionalWrites: StoreHealth['conditionalWrites'] | 'unknown';
  /** Uploads are refused for want of room; all else works. */
  full?: true;
  /** How far the clock of the storage is ahead of this machine's, in ms, if that is five minutes or more. */
  clockOffsetMs?: number;
}

/** Knows whether the backend can be used, and what it is worth. Logs what changes. */
@Injectable()
export class StorageHealth implements OnApplicationBootstrap {
  private readonly logger = new Logger(StorageHealth.name);
  private report: StorageReport | undefined;
  private checkedAt = -Infinity;
  private checking: Promise<StorageReport> | undefined;

  constructor(
    private readonly store: ObjectStore,
    private readonly settings: Settings,
  ) {}

  /** A backend that is away does not keep the service from starting: readiness tells, and it may come back. */
  async onApplicationBootstrap(): Promise<void> {
    this.logger.log(`Using ${this.store.backend} storage backend: ${this.store.location}`);
    await this.ask();
  }

  /** What was found last, without asking; undefined before the first answer. */
  get last(): StorageReport | undefined {
    return this.report;
  }

  /** @returns a report that is no older than HEALTH_MAX_AGE_MS; callers that ask at the same time share one answer of the backend */
  async ask(): Promise<StorageReport> {
    if (this.report && performance.now() - this.checkedAt < this.settings.healthMaxAgeMs) return this.report;
    this.checking ??= this.check().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async check(): Promise<StorageReport> {
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
      this.logger.error({ backend, location }, 'the storage is full: uploads are refused');
    if (report.clockOffsetMs !== undefined && before?.clockOffsetMs === undefined) {
      this.logger.error(
        { backend, location, clockOffsetMs: report.clockOffsetMs },
        'the clock of this machine is wrong, and uploads get its time: set it by NTP',
      );
    }
    if (report.conditionalWrites === 'emulated' && before?.conditionalWrites !== 'emulated') {
      this.logger.error(
        { backend, location },
        'the storage ignores conditional writes: run ONE replica only, or concurrent uploads of one avatar will be lost',
      );
    }
    this.report = report;
    this.checkedAt = performance.now();
    return report;
  }
}
