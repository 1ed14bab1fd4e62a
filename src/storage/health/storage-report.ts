import type { StoreHealth } from '../object-store.js';

/** What is known about the storage, as readiness and the log say it. */
export interface StorageReport {
  backend: string;
  reachable: boolean;
  /** It answers, but refuses us: wrong keys, no such bucket, no permission. */
  refused?: true;
  /**
   * `unreliable`: they hold one after the other, but not in races. `unknown`: it was not reached and tried
   * yet.
   */
  conditionalWrites: StoreHealth['conditionalWrites'] | 'unreliable' | 'unknown';
  /**
   * Reads beside writes gave bytes of one write with the etag of another when it was tried. The driver reads
   * again.
   */
  mixedReads?: true;
  /** It has no room for uploads; everything else works. */
  full?: true;
  /** How far the clock of the storage is ahead of this machine's, in ms, if that is five minutes or more. */
  clockOffsetMs?: number;
  /**
   * It has not answered within `healthTimeoutMs`, and so counts as not reachable. The rest is what it last
   * said.
   */
  overdue?: true;
}

/**
 * The storage does not do what STORAGE_REQUIRE_CONDITIONAL_WRITES asks for. The message says so to the
 * operator.
 */
export class UnfitStorage extends Error {
  override name = 'UnfitStorage';
}

const FAULTS: Partial<Record<StorageReport['conditionalWrites'], string>> = {
  emulated: 'ignores conditional writes',
  unreliable: 'honours conditional writes one after the other, but not in races',
};

/** @returns undefined unless conditional writes are known not to hold */
export function unfitness(
  { conditionalWrites }: Pick<StorageReport, 'conditionalWrites'>,
  location: string,
): UnfitStorage | undefined {
  const fault = FAULTS[conditionalWrites];
  if (fault === undefined) return undefined;
  return new UnfitStorage(
    `STORAGE_REQUIRE_CONDITIONAL_WRITES is set, and ${location} ${fault}: ` +
      'use a server that honours them, or unset it and run ONE replica only',
  );
}
