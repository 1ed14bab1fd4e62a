import { execFileSync } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoundedStore } from '../../src/storage/bounded.store.js';
import { LocalStore } from '../../src/storage/local/local.store.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { ObservedStore, type StoreCall } from '../../src/storage/observed.store.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { storeOptions, testS3 } from '../support/s3.js';

const silent = { storeCalled: () => undefined };
const memory = new MemoryStore();
describeObjectStore('observed', () => Promise.resolve(new ObservedStore(memory, silent)));

describe('ObservedStore', () => {
  /** What the observer was told while a task ran, whether it succeeded or not. */
  const told = async (inner: ObjectStore, task: (store: ObjectStore) => Promise<unknown>) => {
    const calls: StoreCall[] = [];
    const store = new ObservedStore(inner, { storeCalled: (call) => calls.push(call) });
    await Promise.allSettled([task(store)]);
    for (const { ms } of calls) expect(ms).toBeGreaterThanOrEqual(0);
    return calls.map(({ operation, outcome }) => `${operation} ${outcome}`);
  };
  const bytes = Buffer.from('bytes');

  it('is the store that it observes', () => {
    const store = new ObservedStore(memory, silent);
    expect([store.backend, store.location]).toEqual([memory.backend, memory.location]);
  });

  it('tells how each call went', async () => {
    const { etag } = await memory.store('seen/a', bytes);
    const rows: [string, (store: ObjectStore) => Promise<unknown>][] = [
      ['store ok', (store) => store.store('seen/b', bytes)],
      ['store precondition_failed', (store) => store.store('seen/a', bytes, { ifAbsent: true })],
      ['store failed', (store) => store.store('../a', bytes)],
      ['get ok', (store) => store.get('seen/a')],
      ['get unchanged', (store) => store.get('seen/a', { ifNoneMatch: etag })],
      ['get absent', (store) => store.get('seen/none')],
      ['get failed', (store) => store.get('../a')],
      ['exists ok', (store) => store.exists('seen/a')],
      ['exists absent', (store) => store.exists('seen/none')],
      ['delete ok', (store) => store.delete('seen/none')],
      ['getUrl ok', (store) => store.getUrl('seen/a')],
      ['check ok', (store) => store.check()],
    ];
    for (const [expected, task] of rows) expect(await told(memory, task)).toEqual([expected]);
  });

  it('tells of calls that got no turn', async () => {
    const full = new BoundedStore(memory, { concurrency: 0, queue: 0, maxWaitMs: 1 });
    expect(await told(full, (store) => store.get('seen/a'))).toEqual(['get busy']);
    expect(await told(full, (store) => store.check())).toEqual(['check ok']);
  });

  it('tells of a listing once, whether it was read to the end or left early', async () => {
    for (const key of ['list/a', 'list/b', 'list/c']) await memory.store(key, bytes);
    const read = async (store: ObjectStore, atMost: number) => {
      const keys = [];
      for await (const { key } of store.list('list/')) if (keys.push(key) === atMost) break;
      return keys;
    };
    for (const atMost of [1, 9]) {
      expect(await told(memory, (store) => read(store, atMost))).toEqual(['list ok']);
    }
  });

  it('tells of a full disk', async () => {
    const disk = await mkdtemp(join(tmpdir(), 'visage-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', disk]);
    try {
      const local = new LocalStore({ path: disk, lockTimeoutMs: 240_000 });
      expect(await told(local, (store) => store.store('a', Buffer.alloc(256 * 1024)))).toEqual([
        'store full',
      ]);
    } finally {
      execFileSync('umount', [disk]);
      await rmdir(disk);
    }
  });

  (testS3 ? it : it.skip)('tells a bucket that is away from one that is not ours', async () => {
    if (!testS3) return;
    const away = new S3Store(storeOptions({ ...testS3, endpoint: 'http://127.0.0.1:1' }, 'visage-none'));
    const missing = new S3Store(storeOptions(testS3, 'visage-no-such-bucket'));
    const list = async (store: ObjectStore) => {
      for await (const { key } of store.list('')) throw new RangeError(key);
    };
    for (const [store, outcome] of [
      [away, 'unavailable'],
      [missing, 'refused'],
    ] as const) {
      expect(await told(store, (observed) => observed.get('a'))).toEqual([`get ${outcome}`]);
      expect(await told(store, (observed) => observed.check())).toEqual([`check ${outcome}`]);
      expect(await told(store, list)).toEqual([`list ${outcome}`]);
    }
  });
});
