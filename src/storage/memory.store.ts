import { sha256Hex } from '../model/sha256.js';
import {
  type GetOptions,
  type ListedObject,
  ObjectStore,
  PreconditionFailed,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
  assertKey,
} from './object-store.js';

/** The reference driver, for tests: what the contract means, without a disk or a network. */
export class MemoryStore extends ObjectStore {
  readonly backend = 'memory';
  readonly location = 'memory';
  private readonly objects = new Map<string, StoredObject>();

  override store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    return asPromise(() => {
      assertKey(key);
      const present = this.objects.get(key);
      if (options.ifAbsent && present) throw new PreconditionFailed(key);
      if (options.ifMatch !== undefined && present?.etag !== options.ifMatch)
        throw new PreconditionFailed(key);
      const etag = sha256Hex(bytes);
      this.objects.set(key, { bytes: Buffer.from(bytes), etag, modifiedAt: new Date() });
      return { etag };
    });
  }

  override get(
    key: string,
    { ifNoneMatch }: GetOptions = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    return asPromise(() => {
      assertKey(key);
      const present = this.objects.get(key);
      if (!present) return undefined;
      if (present.etag === ifNoneMatch) return 'unchanged';
      return { ...present, bytes: Buffer.from(present.bytes) };
    });
  }

  override exists(key: string): Promise<boolean> {
    return asPromise(() => {
      assertKey(key);
      return this.objects.has(key);
    });
  }

  override delete(key: string): Promise<void> {
    return asPromise(() => {
      this.objects.delete(key);
    });
  }

  override async deleteMany(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.delete(key);
  }

  override getUrl(key: string): Promise<undefined> {
    return asPromise(() => {
      assertKey(key);
      return undefined;
    });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the port's list is asynchronous
  override async *list(prefix: string): AsyncIterable<ListedObject> {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort();
    for (const key of keys) {
      const object = this.objects.get(key);
      if (object) yield { key, size: object.bytes.length, modifiedAt: object.modifiedAt };
    }
  }

  override check(): Promise<StoreHealth> {
    return Promise.resolve({ conditionalWrites: 'honoured' });
  }
}

/** Runs a synchronous task. What it throws becomes a rejection, as callers of the port expect. */
function asPromise<T>(task: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(task());
  });
}
