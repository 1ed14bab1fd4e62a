import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestKey, pictureKey } from '../../src/model/keys.js';
import { readManifest } from '../../src/model/manifest-format.js';
import { backends, openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { bytesOf, checksums, hashOf, putAliases, putAvatar, sample } from './support/avatars.js';
import { type Finding, reportOf, visage } from './support/program.js';

interface Facts {
  erasures: number;
  objects: number;
  bytes: number;
  aliases: number;
  refused: number;
}

const MINUTE_MS = 60_000;

// They run beside each other.
const it = test.concurrent;

describe.each(backends)('erase on $name', (backend) => {
  it('repeats a list of erasures after a backup was restored, and leaves everything newer', async () => {
    const environment = await backend.environment();
    const store = openBackend(environment);
    const picture = await sample(1);
    const start = Date.now() - 86_400_000;
    const instant = (minutes: number) => new Date(start + minutes * MINUTE_MS).toISOString();
    // Uploaded one minute apart: of each, the first was there when it was erased.
    const alice = await putAvatar(store, 'alice', [picture, picture], { at: start });
    await putAvatar(store, 'bob', [picture], { at: start });
    await putAvatar(store, 'Carl', [picture], { at: start });
    await putAliases(store, 'bob', [hashOf(1), hashOf(2)], instant(0));
    await putAliases(store, 'alice', [hashOf(3)], instant(2));
    await store.store(manifestKey('damaged'), Buffer.from('{'));
    await putAvatar(store, 'untouched', [picture], { at: start });

    const list = await written(
      'id,erasedAt',
      JSON.stringify({ id: 'alice', erasedAt: instant(0), objects: 2, bytes: 9, aliases: 0, pending: false }),
      '',
      `bob,${instant(5)}`,
      JSON.stringify({ level: 30, id: 'Carl', erasedAt: instant(5), msg: 'erased an avatar' }),
      `"gone","${instant(5)}"`,
      '{"id":"alice"',
      '{"id":"alice"}',
      'alice',
      '"alice',
      `~,${instant(5)}`,
      'alice,2026-01-31',
      `alice,${new Date(Date.now() + 2 * 86_400_000).toISOString()}`,
      `damaged,${instant(5)}`,
    );
    const bad = [
      `${list}:7 invalid_line`,
      `${list}:8 invalid_line`,
      `${list}:9 invalid_line`,
      `${list}:10 invalid_line`,
      `${list}:11 invalid_id`,
      `${list}:12 invalid_before`,
      `${list}:13 invalid_before`,
      `${list}:14 manifest_unreadable`,
    ];
    const before = await checksums(store);
    const dry = await reportOf<Facts>(environment, 'erase', '--list', list, '--dry-run');
    // Each version has a master and a rendition.
    expect(dry).toMatchObject({ code: 1, erasures: 4, objects: 6, aliases: 2, refused: 8 });
    expect(told(dry.findings)).toEqual([...bad].sort());
    expect(await checksums(store)).toEqual(before);

    const { code, ...report } = await reportOf<Facts>(environment, 'erase', '--list', list);
    expect([code, report]).toEqual([1, { ...report, ...numbersOf(dry) }]);
    expect(told(report.findings)).toEqual([...bad].sort());
    const [newer, older] = alice.versions;
    const left = readManifest('alice', await bytesOf(store, manifestKey('alice')));
    expect(left).toMatchObject({ current: newer?.version, versions: [newer], erasedAt: instant(0) });
    expect(left.aliases?.hashes).toEqual([hashOf(3)]);
    const after = await checksums(store);
    const gone = Object.keys(before).filter((key) => !(key in after));
    const isOfAlice = (key: string) => key.startsWith('avatars/alice/');
    expect(gone.filter(isOfAlice)).toEqual(
      ['64.webp', 'master.jpeg'].map((name) => pictureKey('alice', older?.version ?? '', name)),
    );
    expect(Object.keys(after).filter((key) => /^avatars\/(bob|~43arl)\//.test(key))).toEqual([]);
    expect(readManifest('gone', await bytesOf(store, manifestKey('gone'))).erasedAt).toBe(instant(5));
    await store.delete(manifestKey('damaged'));
    expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0 });

    const good = await written(`alice,${instant(0)}`, `bob,${instant(5)}`);
    const again = await reportOf<Facts>(environment, 'erase', '--list', good);
    expect(again).toMatchObject({ code: 0, erasures: 2, objects: 0, bytes: 0, aliases: 0, findings: [] });
    expect(await checksums(store)).toEqual({ ...after, [manifestKey('damaged')]: undefined });
  });
});

describe('erase', () => {
  it('counts an id that is listed twice once, with --dry-run too', async () => {
    const environment = await local.environment();
    const start = Date.now() - 86_400_000;
    const instant = (minutes: number) => new Date(start + minutes * MINUTE_MS).toISOString();
    const picture = await sample(1);
    await putAvatar(openBackend(environment), 'alice', [picture, picture], { at: start });
    await putAliases(openBackend(environment), 'alice', [hashOf(1)], instant(3));
    const list = await written(...[0, 5, 5, 1].map((minutes) => `alice,${instant(minutes)}`));
    const expected = { code: 0, erasures: 4, objects: 4, aliases: 1 };
    const dry = await reportOf<Facts>(environment, 'erase', '--list', list, '--dry-run');
    expect(dry).toMatchObject(expected);
    const done = await reportOf<Facts>(environment, 'erase', '--list', list);
    expect(done).toMatchObject({ ...expected, ...numbersOf(dry) });
  });

  it('erases only the version that a line names, also if the backup lacks it', async () => {
    const environment = await local.environment();
    const store = openBackend(environment);
    const start = Date.now() - 86_400_000;
    const erasedAt = new Date(start + 5 * MINUTE_MS).toISOString();
    const picture = await sample(1);
    const { versions } = await putAvatar(store, 'alice', [picture, picture, picture], { at: start });
    const [newest, middle, oldest] = versions.map(({ version }) => version);
    const bob = await putAvatar(store, 'bob', [picture, picture], { at: start });
    const lacking = '01900000-0000-7000-8000-000000000000';
    const list = await written(
      'id,erasedAt,version',
      JSON.stringify({
        id: 'alice',
        version: newest,
        erasedAt,
        objects: 2,
        msg: 'erased a version of an avatar',
      }),
      `alice,${erasedAt},${middle}`,
      `alice,${erasedAt},${middle}`,
      `alice,${erasedAt},${lacking}`,
      // This one takes the oldest of both along.
      `bob,${erasedAt},${bob.versions[0]?.version}`,
      `bob,${new Date(start).toISOString()}`,
      `bob,${new Date(start).toISOString()},${bob.versions[1]?.version}`,
      `alice,${erasedAt},master.jpeg`,
      JSON.stringify({ id: 'alice', erasedAt, version: null }),
      `alice,${erasedAt},`,
    );
    const expected = { code: 1, erasures: 7, objects: 8, aliases: 0, refused: 3 };
    const dry = await reportOf<Facts>(environment, 'erase', '--list', list, '--dry-run');
    expect(dry).toMatchObject(expected);
    expect(told(dry.findings)).toEqual([9, 10, 11].map((line) => `${list}:${line} invalid_line`).sort());
    const done = await reportOf<Facts>(environment, 'erase', '--list', list);
    expect(done).toMatchObject({ ...expected, ...numbersOf(dry) });
    const left = readManifest('alice', await bytesOf(store, manifestKey('alice')));
    expect(left).toMatchObject({ current: null, versions: [{ version: oldest }] });
    expect(left.erased).toContainEqual({ version: lacking, at: erasedAt });
    expect(readManifest('bob', await bytesOf(store, manifestKey('bob'))).versions).toEqual([]);
    expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0 });
  });

  it('logs how much each erasure removed', async () => {
    const environment = await local.environment();
    await putAvatar(openBackend(environment), 'alice', [await sample(1)]);
    const erasedAt = new Date().toISOString();
    const list = await written(`alice,${erasedAt}`);
    const { code, stdout, stderr } = await visage(environment, 'erase', '--list', list);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^erase: 0 findings\n(.*\n)* {2}erasures: 1\n {2}objects: 2\n/);
    expect(stderr).toMatch(
      new RegExp(`"id":"alice","erasedAt":"${erasedAt}","objects":2,.*"msg":"erased an avatar"`),
    );
  });

  it('does not carry out the log of a dry run, and says so', async () => {
    const environment = await local.environment();
    const store = openBackend(environment);
    await putAvatar(store, 'alice', [await sample(1)]);
    const before = await checksums(store);
    const now = new Date().toISOString();
    const list = await written(`alice,${now},01900000-0000-7000-8000-000000000000`, `alice,${now}`);
    const dry = await visage(environment, 'erase', '--list', list, '--dry-run');
    const log = dry.stderr.split('\n').filter((line) => line.includes('"id":"alice"'));
    expect(log.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'would erase a version of an avatar',
      'would erase an avatar',
    ]);
    const report = await reportOf<Facts>(environment, 'erase', '--list', await written(...log));
    expect(report).toMatchObject({ code: 1, erasures: 0, refused: 2 });
    const finding = { code: 'invalid_line', message: expect.stringContaining('dry run') as string };
    expect(report.findings).toMatchObject([finding, finding]);
    expect(await checksums(store)).toEqual(before);
  });

  it.each([
    ['a list that is not there', ['--list', 'nowhere']],
    ['a folder', ['--list', '.']],
  ])('refuses %s with exit code 2', async (_, parameters) => {
    expect(await visage({}, 'erase', ...parameters, '--json')).toMatchObject({ code: 2, stdout: '' });
  });

  it('refuses a storage that is not there with exit code 2: nothing is erased in an empty one', async () => {
    const list = await written(`alice,${new Date().toISOString()}`);
    const ended = await visage({ STORAGE_LOCAL_PATH: 'x' }, 'erase', '--list', list);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('There is no folder');
  });

  it('ends with exit code 3 if the bucket does not answer', async () => {
    const list = await written(`alice,${new Date().toISOString()}`);
    const s3 = {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_TIMEOUT_MS: '1000',
    };
    // Which does not try the bucket beforehand.
    expect(await visage(s3, 'erase', '--list', list, '--dry-run')).toMatchObject({ code: 3, stdout: '' });
  });
});

async function written(...lines: string[]): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), 'visage-erase-')), 'erasures.list');
  await writeFile(path, `\ufeff${lines.join('\r\n')}\r\n`);
  return path;
}

function told(findings: readonly Finding[]): string[] {
  return findings.map(({ code, where }) => `${where} ${code}`).sort();
}

function numbersOf({ erasures, objects, bytes, aliases, refused }: Facts): Facts {
  return { erasures, objects, bytes, aliases, refused };
}
