import { BoundedStore } from '../../src/storage/bounded.store.js';
import { GuardedStore, StorageCircuit } from '../../src/storage/guarded.store.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { type ObjectStore, StorageBusy, StorageUnavailable } from '../../src/storage/object-store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { bucketBehindProxy } from '../support/bucket.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { describeS3 } from '../support/s3.js';

const NEVER_MS = 3_600_000;
const TURNS = { concurrency: 1, queue: 100, maxWaitMs: NEVER_MS };

const memory = new MemoryStore();
describeObjectStore('bounded', () => Promise.resolve(new BoundedStore(memory, TURNS)));

describeS3('BoundedStore', () => {
  const bucket = bucketBehindProxy();
  let proxy: FaultProxy;
  beforeEach(() => (proxy = bucket.proxy()));

  function openGuarded(timeoutMs: number, failures = 1): GuardedStore {
    return new GuardedStore(bucket.open({ timeoutMs }), new StorageCircuit({ failures, resetMs: NEVER_MS }));
  }

  const keysOf = async (store: ObjectStore, prefix: string) => {
    const keys = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    return keys;
  };

  it('does not begin more calls than it may', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), { ...TURNS, concurrency: 2 });
    const held = [proxy.hold({}), proxy.hold({})];
    const calls = ['a/b', 'a/c', 'a/d'].map((key) => store.get(key));
    for (const one of held) await one;
    // `check` does not queue: when it has been answered, everything that was sent with the others has arrived.
    await store.check();
    expect(proxy.count({ operation: 'GetObject' })).toBe(2);
    for (const one of held) (await one).pass();
    await Promise.all(calls);
    expect(proxy.count({ operation: 'GetObject' })).toBe(3);
  });

  it('starts the deadline of a call when it is sent: waiting is no outage', async () => {
    const guarded = openGuarded(2000, 3);
    const store = new BoundedStore(guarded, TURNS);
    // One attempt has half of the deadline: together they take as long as a whole one.
    proxy.rule({ operation: 'GetObject', fault: { type: 'black-hole' }, times: 2 });
    const calls = Array.from({ length: 3 }, () => store.get('a/b'));
    await expect(calls[0]).rejects.toThrow(StorageUnavailable);
    await expect(calls[1]).rejects.toThrow(StorageUnavailable);
    await expect(calls[2]).resolves.toMatchObject({ bytes: Buffer.from('bytes') });
    expect(guarded.circuit.state).toBe('closed');
  });

  it('refuses waiting calls as soon as the circuit opens', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), TURNS);
    const held = proxy.hold({});
    const calls = Array.from({ length: 5 }, () => store.get('a/b'));
    (await held).drop();
    for (const call of calls) await expect(call).rejects.toThrow(StorageUnavailable);
    expect(proxy.count()).toBe(1);
  });

  it('is busy if too many calls wait or one waits too long, and that never opens the circuit', async () => {
    const guarded = openGuarded(NEVER_MS);
    const store = new BoundedStore(guarded, { concurrency: 1, queue: 1, maxWaitMs: 1 });
    const held = proxy.hold({});
    const sent = store.get('a/b');
    await held;
    const calls = [
      () => store.get('a/b'),
      () => store.exists('a/b'),
      () => store.store('a/b', Buffer.from('x')),
      () => store.delete('a/b'),
      () => keysOf(store, 'a/'),
    ];
    for (const call of calls) {
      const both = await Promise.allSettled([call(), call()]);
      for (const one of both)
        expect(one).toMatchObject({ status: 'rejected', reason: expect.any(StorageBusy) as Error });
    }
    expect([proxy.count(), guarded.circuit.state]).toEqual([1, 'closed']);
    (await held).pass();
    await expect(sent).resolves.toMatchObject({ bytes: Buffer.from('bytes') });
    await expect(store.exists('a/b')).resolves.toBe(true);
  });

  it('has a line for changes and one for each folder, and the lines take turns', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), { ...TURNS, queue: 4 });
    const held = proxy.hold({});
    const calls: Promise<unknown>[] = [0, 1, 2, 3, 4].map((n) => store.get(`many/${n}`));
    calls.push(
      store.store('many/change-1', Buffer.from('x')),
      store.get('many/change-2', { forChange: true }),
      store.delete('few/change-3'),
      keysOf(store, 'few/1'),
      store.exists('few/2'),
    );
    (await held).pass();
    await Promise.all(calls);
    expect(proxy.seen.flatMap(({ key }) => key || [])).toEqual([
      ...['many/0', 'many/change-1', 'few/1'],
      ...['many/1', 'many/change-2', 'few/2'],
      // A HEAD that says 404 is followed by a look whether there is a bucket at all.
      'probes/',
      ...['many/2', 'few/change-3', 'many/3', 'many/4'],
    ]);
  });

  it('lets readers who ask whether an object has changed pass those who ask for objects that may not exist', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), { ...TURNS, queue: 2 });
    const object = await store.get('a/b');
    const etag = object === undefined || object === 'unchanged' ? '' : object.etag;
    const held = proxy.hold({});
    const calls = ['a/b', 'a/x', 'a/y'].map((key) => store.get(key));
    const one = await held;
    await expect(store.get('a/z')).rejects.toThrow(StorageBusy);
    const known = store.get('a/b', { ifNoneMatch: etag });
    one.pass();
    expect(await known).toBe('unchanged');
    await Promise.all(calls);
  });

  it('lets readers of objects that exist pass those who guess keys', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), { ...TURNS, queue: 2 });
    const held = proxy.hold({});
    const calls = ['a/x', 'a/y', 'a/z'].map((key) => store.get(key, { guessed: true }));
    const one = await held;
    await expect(store.get('a/q', { guessed: true })).rejects.toThrow(StorageBusy);
    calls.push(store.get('a/b'));
    one.pass();
    await Promise.all(calls);
    expect(proxy.seen.flatMap(({ key }) => key || [])).toEqual(['a/x', 'a/b', 'a/y', 'a/z']);
  });

  it('needs a turn for each page of a listing, and holds none while its reader looks at the page', async () => {
    const store = new BoundedStore(openGuarded(NEVER_MS), TURNS);
    const many = Array.from({ length: 1001 }, (_, n) => `many/${String(n).padStart(4, '0')}`);
    await Promise.all(many.map((key) => memory.store(key, Buffer.from('x'))));
    const inMemory = new BoundedStore(memory, TURNS);
    const keys = [];
    for await (const { key } of inMemory.list('many/')) {
      await inMemory.exists(key);
      keys.push(key);
    }
    expect(keys).toEqual(many);
    for await (const { key } of store.list('a/')) await store.exists(key);
    expect(proxy.count({ operation: 'ListObjectsV2' })).toBe(1);
  });
});
