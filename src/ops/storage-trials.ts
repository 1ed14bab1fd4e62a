import { Logger } from '@nestjs/common';
import type { ObjectStore } from '../storage/object-store.js';
import { type QuickResult, tryQuickly } from '../storage/trials/try-quickly.js';

/** What the storage does wrong, as far as a moment shows it. */
export interface TrialFindings {
  /** `unreliable`: they do not hold in races, or a read gave bytes that nobody wrote, or the etag of another write, from which a change would start. */
  conditionalWrites: 'honoured' | 'unreliable';
  /** Reads beside writes gave bytes of one write with the etag of another. The driver noticed, and read again. */
  mixedReads: boolean;
}

/** Tries the storage once in the life of the process, and remembers what that showed. */
export class StorageTrials {
  private readonly logger = new Logger(StorageTrials.name);
  private known: TrialFindings | undefined;
  private running: Promise<TrialFindings | undefined> | undefined;
  private failed = false;

  /** @param discarded how many reads of probes the store has discarded so far */
  constructor(
    private readonly store: ObjectStore,
    private readonly discarded: () => number,
  ) {}

  /** Undefined until it was tried. */
  get findings(): TrialFindings | undefined {
    return this.known;
  }

  /** Callers share a trial. @returns undefined if something else went wrong, such as an outage: the next call tries again */
  async run(): Promise<TrialFindings | undefined> {
    if (this.known) return this.known;
    this.running ??= this.tryOnce().finally(() => (this.running = undefined));
    return this.running;
  }

  private async tryOnce(): Promise<TrialFindings | undefined> {
    const { backend, location } = this.store;
    try {
      const result = await tryQuickly(this.store, this.discarded);
      this.known = judge(result);
      if (this.known.mixedReads) this.logger.error({ backend, location, ...result.reads }, MIXED_READS);
      if (this.known.conditionalWrites === 'unreliable')
        this.logger.error({ backend, location, ...result }, UNRELIABLE);
    } catch (error) {
      if (!this.failed) {
        this.logger.warn(
          { backend, location, err: error },
          'the storage could not be tried, and is tried again with the next check',
        );
      }
      this.failed = true;
    }
    return this.known;
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
