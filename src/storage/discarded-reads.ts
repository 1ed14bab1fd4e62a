import { Injectable, Logger } from '@nestjs/common';
import { PROBES } from '../model/keys.js';

/**
 * Counts reads that the driver discarded and repeated, because the bytes were not those that were stored, or
 * not those of their etag: a server that mixes writes up, a disk that loses bits, or a fault on the wire.
 */
@Injectable()
export class DiscardedReads {
  private readonly logger = new Logger(DiscardedReads.name);
  private discarded = 0;
  private discardedProbes = 0;

  get count(): number {
    return this.discarded;
  }

  /** Those of trials: damaged objects that somebody asks for at the same time do not count. */
  get ofProbes(): number {
    return this.discardedProbes;
  }

  /** Logs only the first one: a server that does this does it often. */
  readonly add = (key: string): void => {
    if (key.startsWith(PROBES)) this.discardedProbes++;
    if (this.discarded++ > 0) return;
    this.logger.warn(
      { key },
      'the storage gave bytes that are not those that were stored; they were discarded and are read again. ' +
        'The metric visage_storage_discarded_reads_total counts further ones',
    );
  };
}
