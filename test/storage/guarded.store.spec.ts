import { GuardedStore } from '../../src/storage/guarded.store.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { StorageUnavailable } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { createBucket, storeOptions, testS3 } from '../support/s3.js';

const memory = new MemoryStore();
describeObjectStore('guarded', () =>
  Promise.resolve(new GuardedStore(memory, { failures: 2, resetMs: 1000 })),
);

const s3 = testS3;
(s3 ? describe : describe.skip)('GuardedStore', () => {
  let proxy: FaultProxy;
  let store: GuardedStore;
  let inner: S3Store;

  beforeEach(async () => {
    if (!s3) return;
    proxy = await FaultProxy.start(s3.endpoint);
    const options = { endpoint: proxy.url, timeoutMs: 2000, attempts: 1 };
    inner = new S3Store(storeOptions(s3, await createBucket(s3), options));
    store = new GuardedStore(inner, { failures: 2, resetMs: 300 });
    await store.store('a/b', Buffer.from('bytes'));
  });
  afterEach(() => proxy.stop());

  it('stops asking a dead bucket, and asks again once it may be back', async () => {
    proxy.rule({ fault: { type: 'black-hole' } });
    for (let i = 0; i < 2; i++) await expect(store.get('a/b')).rejects.toThrow(StorageUnavailable);
    const asked = proxy.count();
    expect([store.circuit, asked >= 2]).toEqual(['open', true]);
    const calls = [
      () => store.get('a/b'),
      () => store.exists('a/b'),
      () => store.store('a/b', Buffer.from('x')),
      () => store.delete('a/b'),
      async () => {
        for await (const object of store.list('a/')) throw new Error(object.key);
      },
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(StorageUnavailable);
    // The circuit may have come to let one through meanwhile, on a slow machine.
    expect(proxy.count() - asked).toBeLessThanOrEqual(1);

    proxy.clear();
    const giveUp = performance.now() + 10_000;
    while (store.circuit !== 'closed' && performance.now() < giveUp)
      await store.get('a/b').catch(() => undefined);
    await expect(store.exists('a/b')).resolves.toBe(true);
  });

  it('takes refusals and failed preconditions for signs of life', async () => {
    proxy.rule({ fault: { type: 'error', status: 403, code: 'AccessDenied' }, times: 5 });
    for (let i = 0; i < 5; i++) await expect(store.get('a/b')).rejects.toThrow();
    for (let i = 0; i < 5; i++) {
      await expect(store.store('a/b', Buffer.from('x'), { ifAbsent: true })).rejects.toThrow();
    }
    expect(store.circuit).toBe('closed');
  });

  it('lets the check pass by an open circuit', async () => {
    proxy.rule({ fault: { type: 'black-hole' } });
    for (let i = 0; i < 2; i++) await expect(store.get('a/b')).rejects.toThrow(StorageUnavailable);
    proxy.clear();
    await expect(store.check()).resolves.toEqual({ conditionalWrites: 'honoured' });
  });
});
