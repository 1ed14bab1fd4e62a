import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleType,
} from 'cockatiel';
import {
  type GetOptions,
  type ListedObject,
  type CallOptions,
  ObjectStore,
  StorageBusy,
  StorageUnavailable,
  type StoredObject,
  type StoreHealth,
  type StoreOptions,
} from './object-store.js';

export interface GuardedStoreOptions {
  /** Calls that find the store unavailable, one after the other, before the circuit opens. */
  failures: number;
  /** How long it stays open before one call may try again, in ms. */
  resetMs: number;
}

export type Circuit = 'closed' | 'open' | 'half_open';

/**
 * A store behind a circuit breaker: while it is dead, calls fail at once instead of each costing its deadline. `check` passes
 * by the breaker, since it is what tells whether the store is back.
 */
export class GuardedStore extends ObjectStore {
  readonly backend;
  readonly location;
  private readonly breaker: CircuitBreakerPolicy;

  constructor(
    private readonly inner: ObjectStore,
    { failures, resetMs }: GuardedStoreOptions,
  ) {
    super();
    this.backend = inner.backend;
    this.location = inner.location;
    this.breaker = circuitBreaker(handleType(StorageUnavailable), {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: resetMs,
    });
  }

  get circuit(): Circuit {
    switch (this.breaker.state) {
      case CircuitState.Open:
      case CircuitState.Isolated:
        return 'open';
      case CircuitState.HalfOpen:
        return 'half_open';
      case CircuitState.Closed:
        return 'closed';
    }
  }

  override store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }> {
    return this.guard(() => this.inner.store(key, bytes, options));
  }

  override get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.guard(() => this.inner.get(key, options));
  }

  override exists(key: string): Promise<boolean> {
    return this.guard(() => this.inner.exists(key));
  }

  override delete(key: string): Promise<void> {
    return this.guard(() => this.inner.delete(key));
  }

  override getUrl(key: string, options?: { expiresIn?: number }): Promise<string | undefined> {
    return this.inner.getUrl(key, options);
  }

  override async *list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    const objects = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.guard(() => objects.next());
      if (next.done) return;
      yield next.value;
    }
  }

  override check(): Promise<StoreHealth> {
    return this.inner.check();
  }

  private async guard<T>(task: () => Promise<T>): Promise<T> {
    try {
      return await this.breaker.execute(() => judged(task));
    } catch (error) {
      throw error instanceof BrokenCircuitError ? new StorageUnavailable(error) : error;
    }
  }
}

/** Of the time of a call: with less left to wait in, this process may have let an answer lie until the deadline was over. */
const BUSY = 0.95;

/** Runs a call. @throws StorageBusy instead of what it throws where it timed out while this process had no time to look for the answer */
async function judged<T>(task: () => Promise<T>): Promise<T> {
  const before = performance.eventLoopUtilization();
  try {
    return await task();
  } catch (error) {
    const late = error instanceof StorageUnavailable && error.timedOut;
    throw late && performance.eventLoopUtilization(before).utilization > BUSY
      ? new StorageBusy(error)
      : error;
  }
}

/** Whether a call failed because the circuit is open: the store was not asked. */
export function isCircuitOpen(error: unknown): boolean {
  return error instanceof StorageUnavailable && error.cause instanceof BrokenCircuitError;
}
