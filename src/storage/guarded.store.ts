import {
  BrokenCircuitError,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleType,
} from 'cockatiel';
import { type ObjectStore, StorageBusy, StorageUnavailable } from './object-store.js';
import { type WrappedCall, WrappedStore, passesBy } from './wrapped.store.js';

export interface StorageCircuitOptions {
  /** Calls in a row that find the store unavailable before the circuit opens. */
  failures: number;
  /** How long it stays open before one call may try again, in ms. */
  resetMs: number;
}

/**
 * The circuit breaker of a store: while the store is dead, calls fail at once instead of each costing its
 * deadline.
 */
export class StorageCircuit {
  private readonly breaker: CircuitBreakerPolicy;
  /**
   * Why the last call that found the store unavailable did so: whoever reads the log needs that, and not that
   * a circuit is open.
   */
  private lastCause: unknown;

  constructor({ failures, resetMs }: StorageCircuitOptions) {
    this.breaker = circuitBreaker(handleType(StorageUnavailable), {
      breaker: new ConsecutiveBreaker(failures),
      halfOpenAfter: resetMs,
    });
  }

  get state(): 'closed' | 'open' | 'half_open' {
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

  /** @throws StorageUnavailable also if the circuit is open: see {@link isCircuitOpen} */
  async run<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.breaker.execute(() => blamingOurselves(call));
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new NotAsked(this.lastCause);
      if (error instanceof StorageUnavailable) this.lastCause = error.cause;
      throw error;
    }
  }
}

/** A store behind a circuit breaker. */
export class GuardedStore extends WrappedStore {
  constructor(
    inner: ObjectStore,
    readonly circuit: StorageCircuit,
  ) {
    super(inner);
  }

  protected override around<T>(call: WrappedCall, run: () => Promise<T>): Promise<T> {
    return passesBy(call) ? run() : this.circuit.run(run);
  }
}

/** The circuit is open. In the log it looks like the failure that opened it. */
class NotAsked extends StorageUnavailable {
  override name = StorageUnavailable.name;
}

/** Whether a call failed because the circuit is open: the store was not asked. */
export function isCircuitOpen(error: unknown): boolean {
  return error instanceof NotAsked;
}

/**
 * A share of a call's time. A process that worked longer may have left an answer unread until the deadline
 * was over.
 */
const BUSY = 0.95;

/** @throws StorageBusy instead of a timeout if this process had no time to look for the answer */
async function blamingOurselves<T>(call: () => Promise<T>): Promise<T> {
  const before = performance.eventLoopUtilization();
  try {
    return await call();
  } catch (error) {
    const late = error instanceof StorageUnavailable && error.timedOut;
    throw late && performance.eventLoopUtilization(before).utilization > BUSY
      ? new StorageBusy(error)
      : error;
  }
}
