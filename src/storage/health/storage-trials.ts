import { Logger } from '@nestjs/common';
import { LogOnce } from '../../tools/log-once.js';
import { Once } from '../../tools/once.js';
import type { ObjectStore } from '../object-store.js';
import { type QuickResult, tryQuickly } from '../trials/try-quickly.js';

/** What the storage does wrong, as far as a moment shows it. */
export interface TrialFindings {
  /**
   * `unreliable`: they do not hold in races. Or a read gave bytes that nobody wrote, or bytes with the etag
   * of another write: a swap that starts from such a read undoes a change.
   */
  conditionalWrites: 'honoured' | 'unreliable';
  /**
   * Reads beside writes gave bytes of one write with the etag of another. The driver noticed, and read again.
   */
  mixedReads: boolean;
}

/** Tries the storage once in the life of the process, and remembers what that showed. */
export class StorageTrials {
  private readonly logger = new Logger(StorageTrials.name);
  private known: TrialFindings | undefined;
  private readonly trial = new Once(() => this.tryOnce());
  private readonly failures = new LogOnce(Infinity, 1);

  /** @param discarded how many reads of probes the store has discarded so far */
  constructor(
    private readonly store: ObjectStore,
    private readonly discarded: () => number,
  ) {}

  /** Undefined until it was tried. */
  get findings(): TrialFindings | undefined {
    return this.known;
  }

  /**
   * Callers share a trial.
   * @returns undefined if something else went wrong, such as an outage: the next call tries again
   */
  async run(): Promise<TrialFindings | undefined> {
    try {
      return await this.trial.run();
    } catch (error) {
      const { backend, location } = this.store;
      if (this.failures.isFirst('')) {
        this.logger.warn(
          { backend, location, err: error },
          'the storage could not be tried, and is tried again with the next check',
        );
      }
      return undefined;
    }
  }

  private async tryOnce(): Promise<TrialFindings> {
    const { backend, location } = this.store;
    const result = await tryQuickly(this.store, this.discarded);
    const found = judge(result);
    this.known = found;
    if (found.mixedReads) this.logger.error({ backend, location, ...result.reads }, MIXED_READS);
    if (found.conditionalWrites === 'unreliable') {
      this.logger.error({ backend, location, ...result }, UNRELIABLE);
    }
    return found;
  }
}

const UNRELIABLE =
  'the storage honours conditional writes one after the other, but not in races: run ONE replica only, and no command beside it. ' +
  'With more writers, concurrent uploads of one avatar get lost. `visage doctor` says more';

const MIXED_READS =
  'reads beside writes get bytes of one write with the etag of another. Visage notices and reads again, so nothing is lost, but such ' +
  'reads are slower. `visage doctor` says more';

function judge({ conditionalWritesHold, discardedReads, reads }: QuickResult): TrialFindings {
  return {
    conditionalWrites: conditionalWritesHold && reads.torn + reads.mixed === 0 ? 'honoured' : 'unreliable',
    mixedReads: discardedReads > 0,
  };
}
