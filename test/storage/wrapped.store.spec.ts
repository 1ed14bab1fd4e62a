import { BoundedStore } from '../../src/storage/bounded.store.js';
import { GuardedStore, StorageCircuit } from '../../src/storage/guarded.store.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import type { ListedObject, ObjectStore } from '../../src/storage/object-store.js';
import { ObservedStore } from '../../src/storage/observed.store.js';

const HOUR_MS = 3_600_000;

const WRAPPERS: [name: string, wrap: (inner: ObjectStore) => ObjectStore][] = [
  ['bounded', (inner) => new BoundedStore(inner, { concurrency: 1, queue: 1, maxWaitMs: HOUR_MS })],
  ['guarded', (inner) => new GuardedStore(inner, new StorageCircuit({ failures: 1, resetMs: HOUR_MS }))],
  ['observed', (inner) => new ObservedStore(inner, { storeCalled: () => undefined })],
];

/** Counts the listings that are not ended yet. */
class Counted extends MemoryStore {
  open = 0;

  override async *list(prefix: string): AsyncIterable<ListedObject> {
    this.open++;
    try {
      yield* super.list(prefix);
    } finally {
      this.open--;
    }
  }
}

describe.each(WRAPPERS)('a %s store', (_, wrap) => {
  const inner = new Counted();
  const store = wrap(inner);
  beforeAll(async () => {
    for (let n = 1000; n < 2001; n++) await inner.store(`many/${n}`, Buffer.from('x'));
  });

  it('is the store that it wraps', () => {
    expect([store.backend, store.location]).toEqual([inner.backend, inner.location]);
  });

  it.each([1, 1000, 5000])(
    'ends the listing that it wraps when its reader leaves after %i objects',
    async (most) => {
      const keys = [];
      for await (const { key } of store.list('many/')) if (keys.push(key) === most) break;
      expect(keys).toHaveLength(Math.min(most, 1001));
      expect(inner.open).toBe(0);
    },
  );
});
