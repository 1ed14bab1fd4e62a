import {
  type CallOptions,
  type ListedObject,
  type ObjectStore,
  PreconditionFailed,
  StorageBusy,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
} from './object-store.js';
import { type StoreOperation, type WrappedCall, WrappedStore } from './wrapped.store.js';

/**
 * How a call ended. `busy`: too many others waited, and it was not begun. `failed`: the port has no error for
 * it, so it is a defect.
 */
export type StoreOutcome =
  | 'ok'
  | 'absent'
  | 'unchanged'
  | 'precondition_failed'
  | 'busy'
  | 'unavailable'
  | 'refused'
  | 'full'
  | 'failed';

export interface StoreCall {
  operation: StoreOperation;
  outcome: StoreOutcome;
  /** How long the caller waited, in ms. */
  ms: number;
}

/** Hears of every call to the store: the port, and its injection token. */
export abstract class StoreObserver {
  abstract storeCalled(call: StoreCall): void;
}

/** A store that tells an observer of each call once it is over. */
export class ObservedStore extends WrappedStore {
  constructor(
    inner: ObjectStore,
    private readonly observer: StoreObserver,
  ) {
    super(inner);
  }

  protected override async around<T>({ operation }: WrappedCall, run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    let outcome: StoreOutcome = 'failed';
    try {
      const result = await run();
      outcome = outcomeOfResult(operation, result);
      return result;
    } catch (error) {
      outcome = outcomeOfError(error);
      throw error;
    } finally {
      this.observer.storeCalled({ operation, outcome, ms: performance.now() - started });
    }
  }

  /**
   * Counts as one call, however many objects there are. The time that the reader takes between them is not
   * the store's.
   */
  override async *list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    let outcome: StoreOutcome = 'ok';
    let ms = 0;
    const timed = async <T>(page: () => Promise<T>): Promise<T> => {
      const started = performance.now();
      try {
        return await page();
      } catch (error) {
        outcome = outcomeOfError(error);
        throw error;
      } finally {
        ms += performance.now() - started;
      }
    };
    try {
      yield* this.listThrough(timed, prefix, options);
    } finally {
      this.observer.storeCalled({ operation: 'list', outcome, ms });
    }
  }
}

function outcomeOfResult(operation: StoreOperation, result: unknown): StoreOutcome {
  if (operation === 'get' && result === 'unchanged') return 'unchanged';
  if (operation === 'get' && result === undefined) return 'absent';
  return operation === 'exists' && result === false ? 'absent' : 'ok';
}

function outcomeOfError(error: unknown): StoreOutcome {
  if (error instanceof PreconditionFailed) return 'precondition_failed';
  if (error instanceof StorageBusy) return 'busy';
  if (error instanceof StorageUnavailable) return 'unavailable';
  if (error instanceof StorageRefused) return 'refused';
  return error instanceof StorageFull ? 'full' : 'failed';
}
