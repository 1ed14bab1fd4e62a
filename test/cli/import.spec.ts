import { type ChildProcess, execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { v7 as uuidv7 } from 'uuid';
import { manifestKey, pictureKey } from '../../src/model/keys.js';
import { readManifest, writeManifest } from '../../src/model/manifest-format.js';
import { apply } from '../../src/model/intents.js';
import { emptyManifest } from '../../src/model/manifest.js';
import { numbered } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { startService } from '../support/service.js';
import { bytesOf, checksums, countOf } from './support/avatars.js';
import { type Ended, type Finding, type Started, reportOf, start, visage } from './support/program.js';
import { sliceOf } from '../support/programme.js';

interface Facts {
  imported: number;
  unchanged: number;
  surplus: number;
  refused: number;
}

const USER = '018f0000-0000-7000-8000-000000000001';
const MINUTE = 60_000;
/** After how many of 24 avatars a run is killed. */
const CUTS = sliceOf([6, 12, 18], (cut) => cut === 12);

// They run beside each other.
const it = test.concurrent;

describe('the path to import', () => {
  it.each([
    [['-pictures.csv'], /unknown option '-pictures\.csv'/],
    [['--', '-pictures.csv'], /no file or folder -pictures\.csv/],
    [['--dry-run', '--', '-pictures.csv'], /no file or folder -pictures\.csv/],
  ])('may begin with a dash after --: %j', async (parameters, reason) => {
    expect(await visage({}, 'import', ...parameters)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(reason) as string,
    });
  });
});

describe.each(backends)('import into $name', (backend) => {
  const setUp = async () => {
    const environment = await backend.environment();
    const store = openBackend(environment);
    const folder = await mkdtemp(join(tmpdir(), 'visage-import-'));
    return {
      environment,
      store,
      folder,
      take: (...more: string[]) => reportOf<Facts>(environment, 'import', ...more),
      file: async (path: string, bytes: Buffer | string) => {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), bytes);
        return join(folder, path);
      },
      manifestOf: async (id: string) => readManifest(id, await bytesOf(store, manifestKey(id))),
    };
  };

  it('takes a list in, names each bad line with its code, and imports nothing twice', async () => {
    const { environment, store, take, file, manifestOf } = await setUp();
    for (const i of [1, 2, 3]) await file(`pictures/${i}.png`, await numbered(i));
    await file('pictures/text.png', 'no picture');
    await file('pictures/empty.png', '');
    const cut = await sharp(await numbered(4))
      .jpeg()
      .toBuffer();
    await file('pictures/cut.jpg', cut.subarray(0, cut.length / 2));
    const list = await file(
      'list.csv',
      [
        'id,file',
        'alice,pictures/1.png',
        '"Bob|2",pictures/2.png',
        'alice,pictures/3.png',
        '!,pictures/1.png',
        'carl,pictures/text.png',
        'carl,pictures/empty.png',
        'carl,pictures/cut.jpg',
        'carl,pictures/none.png',
        'carl,https://example.com/1.png',
        'carl',
        'carl,pictures/1.png,more',
        // A file that opens, and then cannot be read.
        'carl,/proc/self/mem',
        'bent,pictures/1.png',
        '',
      ].join('\r\n'),
    );
    await store.store(
      manifestKey('bent'),
      Buffer.from('{"schema":1,"id":"bent","current":null,"versions":[7]}'),
    );
    const before = await checksums(store);
    const bad = [
      `${list}:10 invalid_line`,
      `${list}:11 invalid_line`,
      `${list}:12 invalid_line`,
      `${list}:13 unexpected_error`,
      `${list}:14 manifest_unreadable`,
      `${list}:5 invalid_id`,
      `${list}:6 unsupported_image`,
      `${list}:7 empty_file`,
      `${list}:8 unreadable_image`,
      `${list}:9 file_not_found`,
    ];
    const dry = await take(list, '--dry-run');
    expect(dry).toMatchObject({ code: 1, imported: 3, refused: 10 });
    expect(told(dry.findings)).toEqual(bad);
    expect(await checksums(store)).toEqual(before);

    const first = await take(list);
    expect(first).toMatchObject({ code: 1, imported: 3, unchanged: 0, refused: 10 });
    expect(told(first.findings)).toEqual(bad);
    expect(first.findings.map(({ message }) => message)).toContain(
      'manifests/bent.json: versions[0] has to be an object',
    );
    const alice = await manifestOf('alice');
    expect(alice.versions).toHaveLength(2);
    expect(alice.current).toBe(alice.versions[0]?.version);
    const after = await checksums(store);
    expect(Object.keys(after)).toHaveLength(6);
    expect(await take(list)).toMatchObject({ code: 1, imported: 0, unchanged: 3 });
    expect(await checksums(store)).toEqual(after);
    await store.delete(manifestKey('bent'));
    expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0 });
  });

  it('takes JSON lines in, and ends with 0 if all are good', async () => {
    const { take, file } = await setUp();
    const lines = [];
    for (const i of [1, 2]) {
      await file(`${i}.png`, await numbered(i));
      lines.push(JSON.stringify({ id: `user ${i}`.replace(' ', ':'), file: `${i}.png` }));
    }
    const list = await file('list.jsonl', `${lines.join('\n\n')}\n`);
    expect(await take(list)).toMatchObject({ code: 0, imported: 2, findings: [] });
    const worse = await file('worse.jsonl', '[1]\n{"id":"a"\nnull\n{"id":"a","file":7}\n');
    expect(told((await take(worse)).findings)).toEqual(
      [1, 2, 3, 4].map((line) => `${worse}:${line} invalid_line`),
    );
  });

  it('does not bring back by a list an avatar that was erased since', async () => {
    const { store, take, file, manifestOf } = await setUp();
    await file('1.png', await numbered(1));
    const list = await file('list.csv', 'alice,1.png\n');
    expect(await take(list)).toMatchObject({ code: 0, imported: 1 });
    const erased = apply(await manifestOf('alice'), { type: 'erase', at: new Date().toISOString() }, 10);
    await store.store(manifestKey('alice'), writeManifest(erased));
    const again = await take(list);
    expect(again).toMatchObject({ code: 1, imported: 0 });
    expect(told(again.findings)).toEqual([`${list}:1 avatar_erased`]);
  });

  it('stores a picture anew if the one in the history is damaged', async () => {
    const { environment, store, take, file, manifestOf } = await setUp();
    await file('1.png', await numbered(1));
    const list = await file('list.csv', 'alice,1.png\n');
    expect(await take(list)).toMatchObject({ code: 0, imported: 1 });
    const [damaged] = (await manifestOf('alice')).versions;
    const key = pictureKey('alice', damaged?.version ?? '', `master.${damaged?.master ?? ''}`);
    await store.store(key, (await bytesOf(store, key)).subarray(1));
    expect(await take(list)).toMatchObject({ code: 0, imported: 1, unchanged: 0 });
    const { current } = await manifestOf('alice');
    expect(current).not.toBe(damaged?.version);
    expect(await take(list)).toMatchObject({ code: 0, imported: 0, unchanged: 1 });
    const report = await reportOf(environment, 'verify');
    expect(report.findings.map(({ where }) => where)).toEqual([key]);
  });

  it('takes in a folder of an older service: every upload with its time, the newest current', async () => {
    const { store, folder, take, file, manifestOf } = await setUp();
    const now = Date.now();
    const names = [3, 1, 2].map((minutes) => uuidv7({ msecs: now - minutes * MINUTE }));
    for (const [i, name] of names.entries()) await file(`avatars/${USER}/${name}.png`, await numbered(i));
    await file(`avatars/Capital/${names[0] ?? ''}.jpg`, await numbered(9));
    const notes = await file(`avatars/${USER}/notes.txt`, '?');
    await file('avatars/erased/018f0000-0000-7000-8000-0000000000aa.png', await numbered(8));
    const erased = apply(emptyManifest('erased'), { type: 'erase', at: new Date().toISOString() }, 10);
    await store.store(manifestKey('erased'), writeManifest(erased));

    const report = await take(folder);
    expect(report).toMatchObject({ code: 1, imported: 4, refused: 2 });
    expect(told(report.findings)).toEqual([
      `${notes} unknown_file`,
      `${join(folder, 'avatars/erased/018f0000-0000-7000-8000-0000000000aa.png')} avatar_erased`,
    ]);
    expect(report.findings.find(({ code }) => code === 'unknown_file')?.message).toMatch(/list.*id,file/);
    const { versions, current } = await manifestOf(USER);
    expect(versions.map(({ version }) => version)).toEqual([...names].sort().reverse());
    expect(current).toBe(names[1]);
    expect(versions.map(({ uploadedAt }) => Date.parse(uploadedAt))).toEqual(
      [1, 2, 3].map((m) => now - m * MINUTE),
    );
    expect((await manifestOf('Capital')).current).toBe(names[0]);
    const after = await checksums(store);
    expect(await take(join(folder, 'avatars'))).toMatchObject({ imported: 0, unchanged: 4 });
    expect(await checksums(store)).toEqual(after);
  });

  it('takes no more of an avatar than its history holds, and never the older ones again', async () => {
    const { environment, store, folder, take, file } = await setUp();
    environment['AVATAR_HISTORY'] = '2';
    for (const i of [1, 2, 3, 4]) {
      await file(`${USER}/${uuidv7({ msecs: Date.now() - i * MINUTE })}.png`, await numbered(i));
    }
    expect(await take(folder)).toMatchObject({ code: 0, imported: 2, surplus: 2 });
    expect(await take(folder)).toMatchObject({ code: 0, unchanged: 2, surplus: 2 });
    expect(await countOf(store, 'avatars/')).toBe(2);
  });

  it(`goes on where it was killed, ${CUTS.length} times`, async () => {
    const { environment, store, folder, take, file } = await setUp();
    const ids = Array.from({ length: 24 }, (_, i) => `user-${i}`).sort();
    const files = await Promise.all(
      ids.map(async (id, i) => file(`avatars/${id}/${uuidv7()}.png`, await numbered(i))),
    );
    for (const enough of CUTS) {
      const one = ['--concurrency', '1'];
      const run = killedAt(files[enough] ?? '', () => start(environment, 'import', folder, ...one));
      expect(await run).toMatchObject({ signal: 'SIGKILL' });
      expect(await countOf(store, 'manifests/')).toBe(enough);
    }
    const last = await take(folder);
    expect(last).toMatchObject({ code: 0, findings: [] });
    expect(last.unchanged).toBeGreaterThanOrEqual(CUTS.at(-1) ?? 0);
    expect(last.imported + last.unchanged).toBe(24);
    expect(await countOf(store, 'manifests/')).toBe(24);
    expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0, findings: [] });
  });

  it('finds a storage in the layout of the older service adopted without any step, then imports the rest', async () => {
    const { environment, store, take, manifestOf } = await setUp();
    const names = [1, 2, 3].map((minutes) => uuidv7({ msecs: Date.now() - minutes * MINUTE }));
    for (const [i, name] of names.entries())
      await store.store(`avatars/${USER}/${name}.png`, await numbered(i));
    const other = uuidv7();
    await store.store(`avatars/never-asked-for/${other}.png`, await numbered(7));
    const from =
      backend.name === 's3' ? ['avatars', '--from', 's3'] : [environment['STORAGE_LOCAL_PATH'] ?? ''];
    const service = await startService(environment);
    try {
      await service.logged(/nothing of an older service is left to adopt/);
      const served = await fetch(`${service.url}/v1/avatars/${USER}?format=png`);
      expect(served.status).toBe(200);
      expect((await sharp(Buffer.from(await served.arrayBuffer())).metadata()).width).toBe(48);
      const info = async () =>
        ((await (await fetch(`${service.url}/v1/avatars/${USER}/info`)).json()) as { version: string })
          .version;
      expect(await info()).toBe(names[0]);

      expect(await take(...from)).toMatchObject({ code: 0, imported: 2, unchanged: 2, findings: [] });
      expect(await info()).toBe(names[0]);
      expect(await service.stop()).toBe(0);
    } finally {
      await service.stop();
    }
    expect((await manifestOf(USER)).versions.map(({ version }) => version)).toEqual(names);
    expect((await manifestOf('never-asked-for')).current).toBe(other);
    expect(await take(...from)).toMatchObject({ code: 0, imported: 0, unchanged: 4 });
    expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0, findings: [] });
  });
});

describe('import', () => {
  it.each([
    ['a path that is not there', ['nowhere']],
    ['a file that is no list', [process.execPath]],
    ['no path', []],
  ])('refuses %s with exit code 2', async (_, parameters) => {
    expect(await visage({}, 'import', ...parameters, '--json')).toMatchObject({ code: 2, stdout: '' });
  });

  it('ends with exit code 3 if the bucket does not answer, and leaves no change in an outbox', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'visage-import-'));
    await writeFile(join(folder, '1.png'), await numbered(1));
    await writeFile(join(folder, 'list.csv'), 'alice,1.png\n');
    const s3 = {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_TIMEOUT_MS: '1000',
    };
    expect(await visage(s3, 'import', join(folder, 'list.csv'))).toMatchObject({ code: 3, stdout: '' });
  });
});

function told(findings: readonly Finding[]): string[] {
  return findings.map(({ code, where }) => `${where} ${code}`).sort();
}

/** Kills a program when it reads a file, which is a pipe that lets it wait. */
async function killedAt(path: string, begin: () => Promise<Started>): Promise<Ended> {
  const bytes = await readFile(path);
  await rm(path);
  await promisify(execFile)('mkfifo', [path]);
  const { process: program, ended } = await begin();
  try {
    const pipe = await openOnceRead(path, program);
    program.kill('SIGKILL');
    await ended;
    await pipe.close();
  } finally {
    program.kill('SIGKILL');
  }
  await rm(path);
  await writeFile(path, bytes);
  return ended;
}

/** The end of a pipe that is written to, once a program has opened the other one. */
async function openOnceRead(path: string, program: ChildProcess): Promise<FileHandle> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      const unread = (error as NodeJS.ErrnoException).code === 'ENXIO';
      if (!unread || program.exitCode !== null) throw error;
      await sleep(5);
    }
  }
}
