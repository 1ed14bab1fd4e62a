import {
  type GetOptions,
  type ListedObject,
  type CallOptions,
  ObjectStore,
  PreconditionFailed,
  StorageBusy,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
  type StoredObject,
  type StoreHealth,
  type StoreOptions,
} from './object-store.js';

export type StoreOperation = 'store' | 'get' | 'exists' | 'delete' | 'getUrl' | 'list' | 'check';

/**
 * How a call ended. `busy`: too many others waited, and it was not begun. `failed` is what the port has no error for: a call that its
 * caller gave up, or a defect.
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

/** Who is told of every call to the store: the port, and its injection token. */
export abstract class StoreObserver {
  abstract storeCalled(call: StoreCall): void;
}

/** Any store, each of whose calls is told to an observer once it is over. */
export class ObservedStore extends ObjectStore {
  readonly backend: ObjectStore['backend'];
  readonly location: string;

  constructor(
    private readonly inner: ObjectStore,
    private readonly observer: StoreObserver,
  ) {
    super();
    this.backend = inner.backend;
    this.location = inner.location;
  }

  override store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }> {
    return this.observe('store', () => this.inner.store(key, bytes, options));
  }

  override get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.observe(
      'get',
      () => this.inner.get(key, options),
      (object) => (object === undefined ? 'absent' : object === 'unchanged' ? object : 'ok'),
    );
  }

  override exists(key: string): Promise<boolean> {
    return this.observe(
      'exists',
      () => this.inner.exists(key),
      (exists) => (exists ? 'ok' : 'absent'),
    );
  }

  override delete(key: string): Promise<void> {
    return this.observe('delete', () => this.inner.delete(key));
  }

  override getUrl(key: string, options?: { expiresIn?: number }): Promise<string | undefined> {
    return this.observe('getUrl', () => this.inner.getUrl(key, options));
  }

  /** One call, however many objects there are; what the reader does between them is not waiting for the store. */
  override async *list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    const objects = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    let outcome: StoreOutcome = 'ok';
    let ms = 0;
    try {
      for (;;) {
        const started = performance.now();
        const next = await objects.next().finally(() => (ms += performance.now() - started));
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      this.observer.storeCalled({ operation: 'list', outcome, ms });
      await objects.return?.();
    }
  }

  override check(): Promise<StoreHealth> {
    return this.observe('check', () => this.inner.check());
  }

  private async observe<T>(
    operation: StoreOperation,
    call: () => Promise<T>,
    success: (result: T) => StoreOutcome = () => 'ok',
  ): Promise<T> {
    const started = performance.now();
    const told = (outcome: StoreOutcome) => {
      this.observer.storeCalled({ operation, outcome, ms: performance.now() - started });
    };
    let result: T;
    try {
      result = await call();
    } catch (error) {
      told(outcomeOf(error));
      throw error;
    }
    told(success(result));
    return result;
  }
}

function outcomeOf(error: unknown): StoreOutcome {
  if (error instanceof PreconditionFailed) return 'precondition_failed';
  if (error instanceof StorageBusy) return 'busy';
  if (error instanceof StorageUnavailable) return 'unavailable';
  if (error instanceof StorageRefused) return 'refused';
  return error instanceof StorageFull ? 'full' : 'failed';
}
