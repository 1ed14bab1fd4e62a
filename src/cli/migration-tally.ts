import type { Copied } from './verified-copy.js';

/** What all passes of a migration have done. */
export type MigrationTotals = ReturnType<typeof noTotals>;

export function noTotals() {
  return { copied: 0, copiedBytes: 0, same: 0, replaced: 0, manifests: 0, removed: 0 };
}

/** Counts what one pass of a migration sees and does. */
export class PassTally {
  /** How many objects were missing or wrong at the destination. */
  changes = 0;
  /** How many avatars could not be examined. */
  failed = 0;
  avatars = 0;
  /** Avatars for which the source has pictures of the older service that neither side has adopted. */
  unadopted = 0;
  /** How many avatars have such pictures that only the destination has. */
  unadoptedThere = 0;

  constructor(readonly totals: MigrationTotals) {}

  /** For the report, and for the log after each pass. */
  get numbers() {
    const { avatars, totals, unadopted } = this;
    return { avatars, ...totals, unadopted };
  }

  /** Counts an object that was compared, and copied if need be. */
  compared(copied: Copied): void {
    const { result } = copied;
    if (result === 'gone') return;
    if (result !== 'same') this.changes++;
    if (result === 'damaged') return;
    this.totals[result]++;
    if (result !== 'same') this.totals.copiedBytes += copied.bytes;
  }

  removed(): void {
    this.changes++;
    this.totals.removed++;
  }
}
