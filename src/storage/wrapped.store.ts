import {
  type CallOptions,
  type GetOptions,
  type ListedObject,
  ObjectStore,
  type ObjectUrl,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
} from './object-store.js';

export type StoreOperation =
  'store' | 'get' | 'exists' | 'delete' | 'deleteMany' | 'getUrl' | 'list' | 'check';

/** A call of the port, as a wrapper sees it. */
export interface WrappedCall {
  operation: StoreOperation;
  /** For a listing, its prefix; for `deleteMany`, the first key; empty for `check`. */
  key: string;
  /** How objects are read; empty for all other operations. */
  reading: GetOptions;
}

/** A store around another one: forwards every call through one hook. */
export abstract class WrappedStore extends ObjectStore {
  readonly backend: ObjectStore['backend'];
  readonly location: string;
  /** Objects in a page of a listing. */
  protected readonly pageSize: number = 1;

  constructor(private readonly inner: ObjectStore) {
    super();
    this.backend = inner.backend;
    this.location = inner.location;
  }

  /**
   * The hook: runs around each call, and around each page of a listing.
   * @param run makes the call on the inner store
   */
  protected abstract around<T>(call: WrappedCall, run: () => Promise<T>): Promise<T>;

  override store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }> {
    return this.around(callOf('store', key), () => this.inner.store(key, bytes, options));
  }

  override get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined> {
    return this.around(callOf('get', key, options), () => this.inner.get(key, options));
  }

  override exists(key: string): Promise<boolean> {
    return this.around(callOf('exists', key), () => this.inner.exists(key));
  }

  override delete(key: string): Promise<void> {
    return this.around(callOf('delete', key), () => this.inner.delete(key));
  }

  override deleteMany(keys: readonly string[]): Promise<void> {
    return this.around(callOf('deleteMany', keys[0] ?? ''), () => this.inner.deleteMany(keys));
  }

  override getUrl(key: string, options?: { expiresIn?: number }): Promise<ObjectUrl | undefined> {
    return this.around(callOf('getUrl', key), () => this.inner.getUrl(key, options));
  }

  override check(): Promise<StoreHealth> {
    return this.around(callOf('check', ''), () => this.inner.check());
  }

  override list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject> {
    const call = callOf('list', prefix, options);
    return this.listThrough((page) => this.around(call, page), prefix, options);
  }

  /** A listing with a hook of its own around each page. Ends the inner listing when its reader leaves. */
  protected async *listThrough(
    aroundPage: (page: () => Promise<ListedObject[]>) => Promise<ListedObject[]>,
    prefix: string,
    options?: CallOptions,
  ): AsyncIterable<ListedObject> {
    const objects = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const page = await aroundPage(() => take(objects, this.pageSize));
        yield* page;
        if (page.length < this.pageSize) return;
      }
    } finally {
      await objects.return?.();
    }
  }
}

/**
 * Whether a call goes past queues and circuit breakers: `check` tells whether the store is back, and `getUrl`
 * asks nobody.
 */
export function passesBy({ operation }: WrappedCall): boolean {
  return operation === 'check' || operation === 'getUrl';
}

function callOf(operation: StoreOperation, key: string, reading: GetOptions = {}): WrappedCall {
  return { operation, key, reading };
}

async function take<T>(items: AsyncIterator<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const next = await items.next();
    if (next.done) break;
    taken.push(next.value);
  }
  return taken;
}
