import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import type { Publish, Version } from '../../src/model/manifest.js';
import { OutboxFolders } from '../../src/outbox/outbox-folders.js';
import { Outbox } from '../../src/outbox/outbox.js';

const MASTER = Buffer.from('the bytes of a picture');
const LIMITS = { maxEntries: 10, maxBytes: 10_000, maxAgeMs: 1_000_000 };

describe('a master that waits', () => {
  let path: string;
  let outbox: Outbox;
  let told: unknown[];

  beforeAll(async () => {
    const error = (line: unknown) => told.push(line);
    Logger.overrideLogger({ log: error, warn: error, error });
    path = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
    outbox = await Outbox.open(new OutboxFolders(path, { bucket: 'b', region: 'r' }), LIMITS);
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
        bytes: MASTER.length,
        ...(sha256 !== undefined && { sha256 }),
        thumbhash: '',
        color: '',
        uploadedAt: at,
      },
    };
    const intent: Publish = { type: 'publish', at, version };
    await outbox.add(id, intent, MASTER);
    const [entry] = outbox.entriesOf(id);
    if (!entry) throw new Error('the entry is missing');
    const file = join(path, 'slot-0/pending', `${entry.name}.master`);
    return { entry, file, version: version.version };
  };
  const sha256 = createHash('sha256').update(MASTER).digest('hex');

  it('is given if it is the one that was accepted', async () => {
    const { entry, version } = await add('sound', { sha256 });
    expect(await outbox.master('sound', version)).toEqual({ format: 'jpeg', bytes: MASTER });
    expect(await outbox.masterOf(entry)).toEqual(MASTER);
  });

  it('is given without a checksum, as of the first releases, if its length is right', async () => {
    const { entry, file } = await add('old', {});
    expect(await outbox.masterOf(entry)).toEqual(MASTER);
    await writeFile(file, MASTER.subarray(1));
    expect(await outbox.masterOf(entry)).toBeUndefined();
    expect(outbox.has(entry.name)).toBe(false);
  });

  it('is set aside once and whole if it was changed, however many ask for it', async () => {
    const { entry, file, version } = await add('changed', { sha256 });
    const before = outbox.report();
    const changed = Buffer.from(MASTER).fill('x', 3, 4);
    await writeFile(file, changed);
    const asked = [
      outbox.master('changed', version),
      outbox.masterOf(entry),
      outbox.master('changed', version),
    ];
    expect(await Promise.all(asked)).toEqual([undefined, undefined, undefined]);
    expect(outbox.of('changed')).toEqual([]);
    const { entries, setAside, bytes } = outbox.report();
    expect([entries, setAside, bytes]).toEqual([before.entries - 1, before.setAside + 1, before.bytes]);
    expect(told).toMatchObject([{ id: 'changed', change: 'publish' }]);
    const aside = (ending: string) => readFile(join(path, 'slot-0/aside', `${entry.name}.${ending}`));
    expect(await aside('master')).toEqual(changed);
    expect(JSON.parse((await aside('json')).toString())).toMatchObject({ id: 'changed' });
    expect((await aside('reason')).toString()).toBe('the master on disk is not the one that was accepted\n');
  });
});
