import { FairTurns } from '../tools/fair-turns.js';
import { type ObjectStore, StorageBusy } from './object-store.js';
import { type StoreOperation, type WrappedCall, WrappedStore, passesBy } from './wrapped.store.js';

export interface Bounds {
  /** Calls that are under way at the same time. */
  concurrency: number;
  /** Calls that may wait in each line. */
  queue: number;
  /** How long a call may wait, in ms. */
  maxWaitMs: number;
}

/** The line of writers, and of what they have to read. */
const CHANGES = 'changes';

/**
 * A store that gets only so many calls at a time. The others wait here, where their deadlines do not run yet.
 * A burst of readers would otherwise wait for connections, time out, and look like an outage. A listing needs
 * a turn for each page, and holds none while its reader looks at the page.
 *
 * Changes wait in one line, readers in one line for each folder of keys: a reader who knows the manifest
 * already does not wait for the picture behind all those who ask for a manifest, and is not refused because
 * of them. Readers who only ask whether something has changed have a line of their own: a flood of made-up
 * ids does not hurt those who ask for existing avatars. So have those whose key is a guess.
 */
export class BoundedStore extends WrappedStore {
  /** As many as S3 gives in one answer. */
  protected override readonly pageSize = 1000;
  private readonly turns: FairTurns;

  constructor(inner: ObjectStore, { concurrency, queue, maxWaitMs }: Bounds) {
    super(inner);
    const busy = () => new StorageBusy();
    this.turns = new FairTurns({ turns: concurrency, queueOfGroup: queue, maxWaitMs, busy });
  }

  protected override around<T>(call: WrappedCall, run: () => Promise<T>): Promise<T> {
    return passesBy(call) ? run() : this.turns.run(run, { group: lineOf(call) });
  }
}

const WRITES = new Set<StoreOperation>(['store', 'delete', 'deleteMany']);

function lineOf({ operation, key, reading }: WrappedCall): string {
  if (WRITES.has(operation) || reading.forChange) return CHANGES;
  const folder = key.slice(0, key.indexOf('/') + 1);
  if (reading.guessed) return `${folder} guessed`;
  return reading.ifNoneMatch === undefined ? folder : `${folder} known`;
}
