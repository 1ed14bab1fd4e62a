import { randomUUID } from 'node:crypto';
import { type ObjectStore, PreconditionFailed } from '../../src/storage/object-store.js';
import { TORTURE } from '../support/programme.js';

/** The longest that a presigned URL can work. */
const WEEK = { expiresIn: 604_800 };

/** How many swap a counter at once. */
const INCREMENTS = TORTURE ? 20 : 10;

/**
 * The contract that every driver has to keep.
 * @param open opens another store over the same objects at each call, as replicas do
 */
export function describeObjectStore(name: string, open: () => Promise<ObjectStore>): void {
  describe(`ObjectStore contract: ${name}`, () => {
    let store: ObjectStore;
    let folder: string;
    const bytes = Buffer.from('first bytes');
    const other = Buffer.from('other bytes');

    beforeAll(async () => {
      store = await open();
    });
    beforeEach(() => {
      folder = `contract/${randomUUID()}`;
    });

    const read = async (key: string) => {
      const object = await store.get(key);
      return object === undefined || object === 'unchanged' ? object : object.bytes.toString();
    };
    const keysUnder = async (prefix: string) => {
      const keys = [];
      for await (const { key } of store.list(prefix)) keys.push(key);
      return keys;
    };

    it('stores and gets the same bytes, again and again', async () => {
      const started = Date.now();
      const { etag } = await store.store(`${folder}/a`, bytes, { contentType: 'text/plain' });
      for (let i = 0; i < 2; i++) {
        const object = await store.get(`${folder}/a`);
        expect(object).toMatchObject({ bytes, etag });
      }
      const object = await store.get(`${folder}/a`);
      if (object === undefined || object === 'unchanged') throw new Error('not there');
      expect(Math.abs(object.modifiedAt.getTime() - started)).toBeLessThan(60_000);
    });

    it('stores every byte value, no bytes, and many', async () => {
      for (const content of [
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        Buffer.alloc(0),
        Buffer.alloc(6e6, 7),
      ]) {
        await store.store(`${folder}/binary`, content);
        const object = await store.get(`${folder}/binary`);
        if (object === undefined || object === 'unchanged') throw new Error('not there');
        expect(object.bytes.equals(content)).toBe(true);
      }
    });

    it('tells an absent object from a present one', async () => {
      expect(await store.get(`${folder}/a`)).toBeUndefined();
      expect(await store.exists(`${folder}/a`)).toBe(false);
      await store.store(`${folder}/a`, bytes);
      expect(await store.exists(`${folder}/a`)).toBe(true);
    });

    it('does not take a folder of objects for an object', async () => {
      await store.store(`${folder}/a/b`, bytes);
      expect(await store.get(`${folder}/a`)).toBeUndefined();
      expect(await store.exists(`${folder}/a`)).toBe(false);
    });

    it('replaces an object without a precondition', async () => {
      const first = await store.store(`${folder}/a`, bytes);
      const second = await store.store(`${folder}/a`, other);
      expect(second.etag).not.toBe(first.etag);
      expect(await read(`${folder}/a`)).toBe('other bytes');
    });

    it('stores ifAbsent once, and says that the second writer failed', async () => {
      await store.store(`${folder}/a`, bytes, { ifAbsent: true });
      await expect(store.store(`${folder}/a`, other, { ifAbsent: true })).rejects.toBeInstanceOf(
        PreconditionFailed,
      );
      expect(await read(`${folder}/a`)).toBe('first bytes');
    });

    it('stores ifAbsent again after a delete', async () => {
      await store.store(`${folder}/a`, bytes, { ifAbsent: true });
      await store.delete(`${folder}/a`);
      await store.store(`${folder}/a`, other, { ifAbsent: true });
      expect(await read(`${folder}/a`)).toBe('other bytes');
    });

    it('stores ifMatch with an etag from store and from get', async () => {
      const { etag } = await store.store(`${folder}/a`, bytes);
      const swapped = await store.store(`${folder}/a`, other, { ifMatch: etag });
      const object = await store.get(`${folder}/a`);
      if (object === undefined || object === 'unchanged') throw new Error('not there');
      expect(object.etag).toBe(swapped.etag);
      await store.store(`${folder}/a`, bytes, { ifMatch: object.etag });
      expect(await read(`${folder}/a`)).toBe('first bytes');
    });

    it('refuses ifMatch with an old etag and for an absent object', async () => {
      const { etag } = await store.store(`${folder}/a`, bytes);
      await store.store(`${folder}/a`, other);
      await expect(store.store(`${folder}/a`, bytes, { ifMatch: etag })).rejects.toBeInstanceOf(
        PreconditionFailed,
      );
      await expect(store.store(`${folder}/absent`, bytes, { ifMatch: etag })).rejects.toBeInstanceOf(
        PreconditionFailed,
      );
      expect(await read(`${folder}/a`)).toBe('other bytes');
      expect(await store.exists(`${folder}/absent`)).toBe(false);
    });

    it('lets exactly one of many win ifAbsent, over several stores', async () => {
      const stores = [store, await open()];
      const racers = Array.from({ length: 30 }, (_, i) =>
        (stores[i % 2] ?? store).store(`${folder}/a`, Buffer.from(`racer ${i}`), { ifAbsent: true }).then(
          () => i,
          (error: unknown) => {
            if (error instanceof PreconditionFailed) return undefined;
            throw error;
          },
        ),
      );
      const winners = (await Promise.all(racers)).filter((racer) => racer !== undefined);
      expect(winners).toHaveLength(1);
      expect(await read(`${folder}/a`)).toBe(`racer ${winners[0] ?? ''}`);
    });

    it('loses no increment of a counter swapped by many, over several stores', async () => {
      const stores = [store, await open()];
      await store.store(`${folder}/counter`, Buffer.from('0'));
      const increment = async (own: ObjectStore): Promise<void> => {
        const object = await own.get(`${folder}/counter`);
        if (object === undefined || object === 'unchanged') throw new Error('not there');
        try {
          await own.store(`${folder}/counter`, Buffer.from(String(Number(object.bytes) + 1)), {
            ifMatch: object.etag,
          });
        } catch (error) {
          if (!(error instanceof PreconditionFailed)) throw error;
          await increment(own);
        }
      };
      await Promise.all(Array.from({ length: INCREMENTS }, (_, i) => increment(stores[i % 2] ?? store)));
      expect(await read(`${folder}/counter`)).toBe(String(INCREMENTS));
    });

    it('never shows half an object to a reader beside a writer', async () => {
      const contents = [Buffer.alloc(300_000, 'a'), Buffer.alloc(200_000, 'b')];
      await store.store(`${folder}/a`, contents[0] ?? bytes);
      let written = 0;
      const writer = (async () => {
        while (written < 20) await store.store(`${folder}/a`, contents[written++ % 2] ?? bytes);
      })();
      while (written < 20) {
        const object = await store.get(`${folder}/a`);
        if (object === undefined || object === 'unchanged') throw new Error('not there');
        expect(contents.some((content) => content.equals(object.bytes))).toBe(true);
      }
      await writer;
    });

    it('answers unchanged to the current etag, and the object to another', async () => {
      const first = await store.store(`${folder}/a`, bytes);
      expect(await store.get(`${folder}/a`, { ifNoneMatch: first.etag })).toBe('unchanged');
      const second = await store.store(`${folder}/a`, other);
      expect(await store.get(`${folder}/a`, { ifNoneMatch: first.etag })).toMatchObject({
        etag: second.etag,
      });
      await store.delete(`${folder}/a`);
      expect(await store.get(`${folder}/a`, { ifNoneMatch: second.etag })).toBeUndefined();
    });

    it('deletes, and deletes again', async () => {
      await store.store(`${folder}/a`, bytes);
      await store.store(`${folder}/b`, bytes);
      await store.delete(`${folder}/a`);
      await store.delete(`${folder}/a`);
      expect(await store.exists(`${folder}/a`)).toBe(false);
      expect(await store.exists(`${folder}/b`)).toBe(true);
    });

    it('deletes many at once, those that are absent or named twice included, and nothing else', async () => {
      const names = ['a', 'b&<>"\'', 'c d', 'e/f', 'e/g'].map((name) => `${folder}/${name}`);
      const kept = `${folder}/e/h`;
      for (const key of [...names.filter((name) => !/[ &]/.test(name)), kept]) await store.store(key, bytes);
      await store.deleteMany([...names, `${folder}/a`, `${folder}/absent`]);
      expect(await keysUnder(`${folder}/`)).toEqual([kept]);
      await store.deleteMany([...names, `${folder}/absent`]);
      await store.deleteMany([kept]);
      await store.deleteMany([]);
      expect(await keysUnder(`${folder}/`)).toEqual([]);
    });

    it('lists by prefix in the order of the keys, with sizes and times', async () => {
      const names = ['a/b/c', 'a-b', 'a', 'ab', 'b/a', '~41', 'a/b/d'].filter((name) => name !== 'a');
      for (const name of names) await store.store(`${folder}/${name}`, Buffer.from(name));
      const all = [...names].sort().map((name) => `${folder}/${name}`);
      expect(await keysUnder(`${folder}/`)).toEqual(all);
      expect(await keysUnder(`${folder}/a/`)).toEqual([`${folder}/a/b/c`, `${folder}/a/b/d`]);
      expect(await keysUnder(`${folder}/a`)).toEqual(all.filter((key) => key.startsWith(`${folder}/a`)));
      expect(await keysUnder(`${folder}/nothing`)).toEqual([]);
      for await (const { size, modifiedAt } of store.list(`${folder}/a/b/c`)) {
        expect(size).toBe(5);
        expect(Math.abs(modifiedAt.getTime() - Date.now())).toBeLessThan(60_000);
      }
    });

    it.each([
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/../b',
      'a/./b',
      '.hidden/a',
      'a\\b',
      'a\0b',
      'ä',
      'a b',
      'a'.repeat(256),
    ])('refuses the key %j in every operation but delete, which takes what `list` gives', async (key) => {
      await expect(store.store(key, bytes)).rejects.toBeInstanceOf(TypeError);
      await expect(store.get(key)).rejects.toBeInstanceOf(TypeError);
      await expect(store.exists(key)).rejects.toBeInstanceOf(TypeError);
      await expect(store.getUrl(key)).rejects.toBeInstanceOf(TypeError);
    });

    it('has URLs that browsers can cache, the same from all replicas, or none', async () => {
      const key = `${folder}/seen`;
      const cacheControl = 'public, max-age=31536000, immutable';
      await store.store(key, bytes, { contentType: 'text/plain', cacheControl });
      const replica = await open();
      await replica.check();
      const found = await store.getUrl(key, WEEK);
      expect(await replica.getUrl(key, WEEK)).toEqual(found);
      expect(await store.getUrl(key, WEEK)).toEqual(found);
      if (store.backend !== 's3') {
        expect([found, await store.getUrl(key)]).toEqual([undefined, undefined]);
        return;
      }
      const expires = found?.expiresAt?.getTime() ?? 0;
      expect(expires).toBeGreaterThan(Date.now() + WEEK.expiresIn * 500 - 60_000);
      expect(expires).toBeLessThan(Date.now() + WEEK.expiresIn * 1000 + 60_000);
      const answer = await fetch(found?.url ?? '');
      expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
      expect(answer.headers.get('cache-control')).toBe(cacheControl);
      const [plain] = found?.url.split('?') ?? [];
      expect(await store.getUrl(key)).toEqual({ url: plain });
    });

    it('takes the longest segment there is', async () => {
      const key = `${folder}/${'~41'.repeat(85)}`;
      await store.store(key, bytes);
      expect(await read(key)).toBe('first bytes');
    });

    it('reports that it is healthy, and leaves nothing behind', async () => {
      const before = await keysUnder('');
      expect(await store.check()).toEqual({ conditionalWrites: 'honoured' });
      expect(await keysUnder('')).toEqual(before);
    });
  });
}
