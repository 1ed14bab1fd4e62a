import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { PENDING_CHANGES, type PendingChange, PendingChanges } from '../../src/avatars/pending-changes.js';
import type { Publish } from '../../src/model/intents.js';
import type { Version } from '../../src/model/manifest.js';
import { sha256Hex } from '../../src/model/sha256.js';
import { DiskOutbox } from '../../src/outbox/disk.outbox.js';
import { OutboxFolders } from '../../src/outbox/outbox-folders.js';
import { picture } from '../http/support/pictures.js';

const LIMITS = { maxEntries: 10, maxBytes: 100_000, maxAgeMs: 1_000_000 };

describe('a master in the outbox', () => {
  let path: string;
  let outbox: DiskOutbox<PendingChange>;
  let pending: PendingChanges;
  let master: Buffer;
  let told: unknown[];

  beforeAll(async () => {
    const error = (line: unknown) => told.push(line);
    Logger.overrideLogger({ log: error, warn: error, error });
    path = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
    const folders = new OutboxFolders(path, { bucket: 'b', region: 'r' });
    outbox = await DiskOutbox.open(folders, PENDING_CHANGES, LIMITS);
    pending = new PendingChanges(outbox);
    master = await picture('jpeg');
  });
  beforeEach(() => {
    told = [];
  });
  afterAll(async () => {
    Logger.overrideLogger(true);
    await outbox.close();
    await rm(path, { recursive: true });
  });

  const add = async (id: string, { sha256 }: Pick<Version, 'sha256'>) => {
    const at = new Date().toISOString();
    const version: Version = {
      ...{ version: uuidv7(), source: 'a', master: 'jpeg', width: 1, height: 1, animated: false },
      ...{
        bytes: master.length,
        ...(sha256 !== undefined && { sha256 }),
        thumbhash: '',
        color: '',
        uploadedAt: at,
      },
    };
    const intent: Publish = { type: 'publish', at, version };
    await outbox.add(id, { intent }, master);
    const [entry] = outbox.entriesOf(id);
    if (!entry) throw new Error('the entry is missing');
    const file = join(path, 'slot-0/pending', `${entry.name}.master`);
    return { entry, file, version: version.version };
  };

  it('is given if it is the one that was accepted', async () => {
    const { entry, version } = await add('sound', { sha256: sha256Hex(master) });
    expect(await pending.master('sound', version)).toMatchObject({ version: { version }, bytes: master });
    expect(await pending.masterOf(entry)).toEqual(master);
  });

  it('is given without a checksum, as the first releases wrote it, if it is whole', async () => {
    const { entry, file } = await add('old', {});
    expect(await pending.masterOf(entry)).toEqual(master);
    await writeFile(file, Buffer.alloc(master.length));
    expect(await pending.masterOf(entry)).toBeUndefined();
    expect(outbox.entries()).not.toContainEqual(expect.objectContaining({ name: entry.name }));
  });

  it('is set aside once and completely if it was changed, however many ask for it', async () => {
    const { entry, file, version } = await add('changed', { sha256: sha256Hex(master) });
    const before = outbox.report();
    const changed = Buffer.from(master).fill('x', 3, 4);
    await writeFile(file, changed);
    const asked = [
      pending.master('changed', version),
      pending.masterOf(entry),
      pending.master('changed', version),
    ];
    expect(await Promise.all(asked)).toEqual([undefined, undefined, undefined]);
    expect(pending.intentsOf('changed')).toEqual([]);
    const { entries, setAside, bytes } = outbox.report();
    expect([entries, setAside, bytes]).toEqual([before.entries - 1, before.setAside + 1, before.bytes]);
    expect(told).toMatchObject([{ id: 'changed', change: 'publish' }]);
    const aside = (ending: string) => readFile(join(path, 'slot-0/aside', `${entry.name}.${ending}`));
    expect(await aside('master')).toEqual(changed);
    expect(JSON.parse((await aside('json')).toString())).toMatchObject({ id: 'changed' });
    expect((await aside('reason')).toString()).toBe('the master on disk is not the one that was accepted\n');
  });

  it('is not set aside while its entry is removed', async () => {
    const { entry } = await add('removed', { sha256: sha256Hex(master) });
    const before = outbox.report();
    // As an erasure does, and a replay that finds the master gone.
    await Promise.all([pending.remove(entry), outbox.setAside(entry, 'the master is missing')]);
    expect(outbox.report()).toMatchObject({ entries: before.entries - 1, setAside: before.setAside });
    expect(told).toEqual([]);
  });
});
