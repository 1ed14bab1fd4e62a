import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '../../src/model/sha256.js';
import { LocalStore } from '../../src/storage/local/local.store.js';
import { ObjectDamaged, PreconditionFailed, StorageUnavailable } from '../../src/storage/object-store.js';
import { rot } from '../support/rot.js';
import { describeObjectStore } from '../contract/object-store.contract.js';

const path = await mkdtemp(join(tmpdir(), 'visage-local-'));
afterAll(() => rm(path, { recursive: true }));

describeObjectStore('local', () => Promise.resolve(new LocalStore({ path, lockTimeoutMs: 240_000 })));

it.each(['', '..', '../a', 'a/../../b', '/a', 'a//b', 'a\0b'])(
  'deletes nothing outside of its root: %j',
  async (key) => {
    const store = new LocalStore({ path, lockTimeoutMs: 240_000 });
    await expect(store.delete(key)).rejects.toThrow(TypeError);
  },
);

it('makes nothing for reads, so that a backup stays as it is', async () => {
  const backup = await mkdtemp(join(tmpdir(), 'visage-backup-'));
  const store = new LocalStore({ path: backup, lockTimeoutMs: 240_000 });
  expect(await store.get('a/b')).toBeUndefined();
  expect(await store.exists('a/b')).toBe(false);
  for await (const { key } of store.list('')) throw new Error(key);
  expect(await readdir(backup)).toEqual([]);

  // As when it is unmounted.
  await rm(backup, { recursive: true });
  await expect(store.get('a/b')).rejects.toThrow(StorageUnavailable);
  await expect(store.exists('a/b')).rejects.toThrow(StorageUnavailable);
  await expect(store.list('')[Symbol.asyncIterator]().next()).rejects.toThrow(StorageUnavailable);
});

it('does not take a symbolic link for an object', async () => {
  const outside = join(await mkdtemp(join(tmpdir(), 'visage-outside-')), 'secret');
  await writeFile(outside, 'not to be read');
  const store = new LocalStore({ path, lockTimeoutMs: 240_000 });
  await mkdir(join(path, 'linked'));
  await symlink(outside, join(path, 'linked/object'));

  expect(await store.get('linked/object')).toBeUndefined();
  expect(await store.exists('linked/object')).toBe(false);
  const listed = [];
  for await (const { key } of store.list('linked/')) listed.push(key);
  expect(listed).toEqual([]);
  await expect(store.store('linked/object', Buffer.from('ours'), { ifAbsent: true })).rejects.toThrow(
    PreconditionFailed,
  );
  await store.store('linked/object', Buffer.from('ours'));
  expect(await store.get('linked/object')).toMatchObject({ bytes: Buffer.from('ours') });
  expect(await readFile(outside, 'utf8')).toBe('not to be read');
});

describe('the checksum of a file', () => {
  const key = 'checked/object';
  const file = join(path, key);
  const bytes = Buffer.from('the bytes that were stored');
  let discarded: string[];
  let store: LocalStore;

  beforeEach(async () => {
    discarded = [];
    store = new LocalStore({
      path,
      lockTimeoutMs: 240_000,
      onDiscardedRead: (damaged) => discarded.push(damaged),
    });
    await store.store(key, bytes);
  });

  it('finds bytes that changed on the disk: they are neither read nor swapped, and can be replaced', async () => {
    await rot(file);
    await expect(store.get(key)).rejects.toThrow(ObjectDamaged);
    expect(discarded).toEqual([key]);
    await expect(store.store(key, bytes, { ifMatch: sha256Hex(bytes) })).rejects.toThrow(ObjectDamaged);
    expect(await store.exists(key)).toBe(true);
    await store.store(key, bytes);
    expect(await store.get(key)).toMatchObject({ bytes });
  });

  it('does not hold for a file that somebody replaced or wrote on purpose', async () => {
    await writeFile(file, 'restored from a backup');
    expect(await store.get(key)).toMatchObject({ bytes: Buffer.from('restored from a backup') });
    await rm(file);
    await writeFile(file, 'copied here');
    expect(await store.get(key)).toMatchObject({ bytes: Buffer.from('copied here') });
    expect(discarded).toEqual([]);
  });

  it('goes with an object that gets another key', async () => {
    expect(await store.move(key, 'moved/object')).toBe(bytes.length);
    expect(await store.move(key, 'moved/object')).toBeUndefined();
    expect([await store.get(key), await store.get('moved/object')]).toMatchObject([undefined, { bytes }]);
  });
});
