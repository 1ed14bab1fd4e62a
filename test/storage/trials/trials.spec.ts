import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LocalStore } from '../../../src/storage/local/local.store.js';
import { MemoryStore } from '../../../src/storage/memory.store.js';
import {
  type ListedObject,
  ObjectStore,
  StorageRefused,
  StorageUnavailable,
  type StoredObject,
} from '../../../src/storage/object-store.js';
import { S3Store } from '../../../src/storage/s3/s3.store.js';
import { listAfterChanges } from '../../../src/storage/trials/listing.js';
import { everyWriteHeld, raceToCreate, raceToReplace } from '../../../src/storage/trials/races.js';
import { readBesideWrites } from '../../../src/storage/trials/reads-beside-writes.js';
import { tryQuickly } from '../../../src/storage/trials/try-quickly.js';
import { createBucket, storeOptions, testS3 } from '../../support/s3.js';
import { ForgetfulStore, RacingStore, TearingStore, MixingStore } from './stores.js';

const none = () => 0;

const keysOf = async (store: ObjectStore) => {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
};

const openers: [name: string, open: () => Promise<ObjectStore>][] = [
  ['memory', () => Promise.resolve(new MemoryStore())],
  [
    'local',
    async () =>
      new LocalStore({ path: join(await mkdtemp(join(tmpdir(), 'trials-')), 'data'), lockTimeoutMs: 60_000 }),
  ],
];
const s3 = testS3;
if (s3) openers.push(['s3', async () => new S3Store(storeOptions(s3, await createBucket(s3)))]);

describe.each(openers)('the trials on a sound store: %s', (_, open) => {
  let store: ObjectStore;

  beforeAll(async () => {
    store = await open();
  });
  afterEach(async () => {
    expect(await keysOf(store)).toEqual([]);
  });

  it('find one winner in each race', async () => {
    const sound = { severalWinners: 0, noWinner: 0, lostWinner: 0, unanswered: 0 };
    for (const race of [raceToCreate, raceToReplace]) {
      const found = await race([store, store], { rounds: 5, writers: 4 });
      expect(found).toEqual({ rounds: 5, writes: 20, ...sound });
      expect(everyWriteHeld(found)).toBe(true);
    }
  });

  it('find whole reads beside writes', async () => {
    const found = await readBesideWrites(store, { rounds: 10, discarded: none });
    expect(found).toMatchObject({ rounds: 10, discarded: 0, torn: 0, mixed: 0, failed: 0 });
    expect(found.reads).toBeGreaterThanOrEqual(4);
  });

  it('find objects listed after a write and not after a delete', async () => {
    expect(await listAfterChanges(store, { rounds: 3 })).toEqual({ rounds: 3, missing: 0, lingering: 0 });
  });

  it('find nothing wrong quickly', async () => {
    expect(await tryQuickly(store, none)).toMatchObject({ conditionalWritesHold: true, discardedReads: 0 });
  });

  it('end with the round in which their signal is aborted', async () => {
    const over = AbortSignal.abort();
    expect(await raceToCreate([store], { until: over })).toMatchObject({ rounds: 1 });
    expect(await raceToReplace([store], { until: over })).toMatchObject({ rounds: 1 });
    expect(await readBesideWrites(store, { until: over, discarded: none })).toMatchObject({ rounds: 1 });
    expect(await listAfterChanges(store, { until: AbortSignal.timeout(1) })).toMatchObject({ missing: 0 });
  });
});

describe('the trials', () => {
  it('find out a store that lets several writers win', async () => {
    const store = new RacingStore();
    const created = await raceToCreate([store], { rounds: 2 });
    expect(created).toMatchObject({ writes: 16, severalWinners: 2 });
    const replaced = await raceToReplace([store], { rounds: 2 });
    expect(replaced).toMatchObject({ writes: 16, severalWinners: 2 });
    expect([everyWriteHeld(created), everyWriteHeld(replaced)]).toEqual([false, false]);
    expect(await tryQuickly(store, none)).toMatchObject({ conditionalWritesHold: false });
    expect(await keysOf(store)).toEqual([]);
  });

  it('find out two stores that compare only among their own writers', async () => {
    const one = new MemoryStore();
    // Another process with a lock of its own: it does not see what the first one is about to write.
    class Blind extends MemoryStore {
      override store(key: string, bytes: Buffer) {
        return one.store(key, bytes);
      }
    }
    expect(await raceToCreate([one, new Blind()], { rounds: 1, writers: 2 })).toMatchObject({
      severalWinners: 1,
    });
  });

  it('find out a store that acknowledges a write and loses it', async () => {
    const found = await raceToReplace([new ForgetfulStore()], { rounds: 1 });
    expect(found.lostWinner + found.severalWinners).toBeGreaterThan(0);
    expect(everyWriteHeld(found)).toBe(false);
  });

  it('find out a store whose reads are not whole', async () => {
    const store = new TearingStore();
    const found = await readBesideWrites(store, { rounds: 20, discarded: none });
    expect(found.torn).toBeGreaterThan(0);
    expect(await keysOf(store)).toEqual([]);
  });

  it('find out a store whose whole reads have the etag of another write', async () => {
    const found = await readBesideWrites(new MixingStore(), { rounds: 20, discarded: none });
    expect(found.mixed).toBeGreaterThan(0);
    expect(found).toMatchObject({ torn: 0, failed: 0 });
  });

  it('count the reads that the driver threw away', async () => {
    let thrown = 7;
    class Discarding extends MemoryStore {
      override get(key: string) {
        thrown++;
        return super.get(key);
      }
    }
    const found = await readBesideWrites(new Discarding(), { rounds: 3, discarded: () => thrown });
    expect(found.discarded).toBe(found.reads);
    expect((await tryQuickly(new Discarding(), () => thrown)).discardedReads).toBeGreaterThan(0);
  });

  it('count reads that fail, and say why', async () => {
    class Failing extends MemoryStore {
      override get(): Promise<StoredObject | undefined> {
        return Promise.reject(new StorageUnavailable(new Error('no good answer came')));
      }
    }
    const found = await readBesideWrites(new Failing(), { rounds: 3, discarded: none });
    expect(found).toMatchObject({ torn: 0, cause: 'no good answer came' });
    expect(found.failed).toBe(found.reads);
  });

  it('find out listings that come late', async () => {
    class Late extends MemoryStore {
      private gone: ListedObject | undefined;

      // eslint-disable-next-line @typescript-eslint/require-await -- the port's list is asynchronous
      override async *list(): AsyncIterable<ListedObject> {
        if (this.gone) yield this.gone;
      }
      override async delete(key: string) {
        this.gone = { key, size: 0, modifiedAt: new Date() };
        await super.delete(key);
      }
    }
    expect(await listAfterChanges(new Late(), { rounds: 2 })).toEqual({
      rounds: 2,
      missing: 2,
      lingering: 2,
    });
  });

  it('count writers without an answer, if others of the race got one', async () => {
    class Deaf extends MemoryStore {
      private writes = 0;

      override async store(key: string, bytes: Buffer, options = {}) {
        const written = await super.store(key, bytes, options);
        if (++this.writes === 1) throw new StorageUnavailable(new Error('the answer was lost'));
        return written;
      }
    }
    const found = await raceToCreate([new Deaf()], { rounds: 1 });
    expect(found).toMatchObject({ unanswered: 1, severalWinners: 0, noWinner: 0, lostWinner: 0 });
  });

  it('fail with the first error, and remove what they wrote all the same', async () => {
    class ReadOnlySoon extends MemoryStore {
      private writes = 0;

      override store(key: string, bytes: Buffer, options = {}) {
        if (++this.writes > 3) return Promise.reject(new StorageRefused(new Error('no more writes')));
        return super.store(key, bytes, options);
      }
    }
    for (const trial of [
      (store: ObjectStore) => raceToCreate([store], { rounds: 9 }),
      (store: ObjectStore) => raceToReplace([store], { rounds: 9 }),
      (store: ObjectStore) => readBesideWrites(store, { rounds: 9, discarded: none }),
      (store: ObjectStore) => listAfterChanges(store, { rounds: 9 }),
      (store: ObjectStore) => tryQuickly(store, none),
    ]) {
      const store = new ReadOnlySoon();
      await expect(trial(store)).rejects.toMatchObject({ cause: { message: 'no more writes' } });
      expect(await keysOf(store)).toEqual([]);
    }
  });
});
