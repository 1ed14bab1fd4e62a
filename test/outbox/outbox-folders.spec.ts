import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { OutboxFolders } from '../../src/outbox/outbox-folders.js';
import type { StorageIdentity } from '../../src/outbox/storage-record.js';

const OURS: StorageIdentity = { bucket: 'ours', endpoint: 'http://minio:9000' };

let path: string;
/** As so many processes. */
let opened: OutboxFolders[];
/** What was logged, in order: the level, and the slot that it is about. */
let told: string[];

beforeAll(() => {
  const tell =
    (level: string) =>
    ({ slot }: { slot: string }) => {
      told.push(`${level} ${slot.slice(path.length + 1)}`);
    };
  Logger.overrideLogger({ log: tell('log'), warn: tell('warn'), error: tell('error') });
});
afterAll(() => {
  Logger.overrideLogger(true);
});
beforeEach(async () => {
  told = [];
  path = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((folders) => folders.release()));
  await rm(path, { recursive: true });
});

/** @returns the folders, and the names of the slots that they claimed */
const claim = async (storage: StorageIdentity) => {
  const folders = new OutboxFolders(path, storage);
  opened.push(folders);
  return { folders, claimed: await claimed(folders) };
};
const claimed = async (folders: OutboxFolders) => {
  const names: string[] = [];
  for await (const folder of folders.claim()) names.push(folder.path.slice(path.length + 1));
  return names;
};
const recordOf = async (slot: string) =>
  JSON.parse(await readFile(join(path, slot, 'storage.json'), 'utf8')) as unknown;

/** As a service leaves it that has stopped with an entry. */
const leave = async (slot: string, record: string | undefined) => {
  await mkdir(join(path, slot, 'pending'), { recursive: true });
  await writeFile(join(path, slot, 'pending', 'entry.json'), '{}');
  if (record !== undefined) await writeFile(join(path, slot, 'storage.json'), record);
};

/** All that lies in a slot, and when it was last changed. */
const contentsOf = async (slot: string) => {
  const names = ['.', ...(await readdir(join(path, slot), { recursive: true }))].sort();
  return Promise.all(names.map(async (name) => [name, (await stat(join(path, slot, name))).ctimeMs]));
};

describe('the slots of an outbox', () => {
  it('record the storage before an entry can be written', async () => {
    expect((await claim(OURS)).claimed).toEqual(['slot-0']);
    expect(await recordOf('slot-0')).toEqual(OURS);
  });

  it('are left unchanged if they are for another storage, and logged once if they have entries', async () => {
    const theirs: StorageIdentity[] = [
      { bucket: 'theirs', endpoint: 'http://minio:9000' },
      { bucket: 'ours', endpoint: 'http://elsewhere:9000' },
      { bucket: 'ours', region: 'us-east-1' },
    ];
    for (const [i, storage] of theirs.entries()) await leave(`slot-${i}`, JSON.stringify(storage));
    await rm(join(path, 'slot-1', 'pending', 'entry.json'));
    const before = await Promise.all(theirs.map((_, i) => contentsOf(`slot-${i}`)));
    const { folders, claimed: first } = await claim(OURS);
    expect(first).toEqual(['slot-3']);
    expect(await claimed(folders)).toEqual([]);
    expect(await Promise.all(theirs.map((_, i) => contentsOf(`slot-${i}`)))).toEqual(before);
    expect(told).toEqual(['warn slot-0', 'warn slot-2']);
    // Nor are they locked: their own services get them.
    for (const [i, storage] of theirs.entries())
      expect((await claim(storage)).claimed).toEqual([`slot-${i}`]);
  });

  it('are taken over by a process of the same storage, however its address is written', async () => {
    await leave('slot-0', '{"bucket":"ours","endpoint":"http://MINIO:9000/"}');
    expect((await claim(OURS)).claimed).toEqual(['slot-0']);
  });

  it('are adopted and get the record if an older release wrote them', async () => {
    await leave('slot-0', undefined);
    expect((await claim(OURS)).claimed).toEqual(['slot-0']);
    expect(await recordOf('slot-0')).toEqual(OURS);
    await opened[0]?.release();
    expect((await claim({ ...OURS, bucket: 'theirs' })).claimed).toEqual(['slot-1']);
  });

  it('are never adopted if the record is damaged', async () => {
    const damaged = [
      '',
      'not JSON',
      'null',
      '7',
      '{}',
      '{"bucket":"","endpoint":"http://minio:9000"}',
      '{"bucket":["ours"],"endpoint":"http://minio:9000"}',
      '{"bucket":"ours"}',
      '{"bucket":"ours","endpoint":"nowhere"}',
      '{"bucket":"ours","endpoint":null,"region":"us-east-1"}',
    ];
    for (const [i, record] of damaged.entries()) await leave(`slot-${i}`, record);
    const before = await Promise.all(damaged.map((_, i) => contentsOf(`slot-${i}`)));
    const { folders, claimed: first } = await claim(OURS);
    expect(first).toEqual(['slot-10']);
    expect(await claimed(folders)).toEqual([]);
    expect(await Promise.all(damaged.map((_, i) => contentsOf(`slot-${i}`)))).toEqual(before);
    expect(told).toEqual(damaged.map((_, i) => `error slot-${i}`));
  });

  it('are taken as soon as the record is corrected', async () => {
    await leave('slot-0', 'not JSON');
    const { folders } = await claim(OURS);
    await leave('slot-0', JSON.stringify(OURS));
    expect(await claimed(folders)).toEqual(['slot-0']);
  });

  it('are one for each of many processes that start at once, and belong to their storage', async () => {
    const storages = Array.from({ length: 12 }, (_, i) => ({ ...OURS, bucket: `bucket-${i % 3}` }));
    await leave('slot-2', undefined);
    await leave('slot-4', JSON.stringify({ ...OURS, bucket: 'nobody' }));
    const all = await Promise.all(storages.map(claim));
    const slots = all.flatMap(({ claimed: names }) => names);
    expect(new Set(slots).size).toBe(slots.length);
    for (const [i, { claimed: names }] of all.entries()) {
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) expect(await recordOf(name)).toEqual(storages[i]);
    }
    expect(slots).toContain('slot-2');
    expect(slots).not.toContain('slot-4');
  });
});
