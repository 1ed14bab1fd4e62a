import { mkdir, mkdtemp, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { apply } from '../../src/model/intents.js';
import type { Intent } from '../../src/model/intents.js';
import { readManifest, writeManifest } from '../../src/model/manifest-format.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { backends, openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import type { Environment } from '../support/service.js';
import { bytesOf, checksums, hashOf, putAliases, putAvatar, samples } from './support/avatars.js';
import { reportOf, visage } from './support/program.js';

interface Facts {
  folder: string | null;
  versions: number;
  pictures: number;
  bytes: number;
}

const LEFT = '01900000-0000-7000-8000-000000000000';
const LEGACY = '01900000-0001-7000-8000-000000000000';

const scratch = async () => join(await mkdtemp(join(tmpdir(), 'visage-export-')), 'person');
const exported = (environment: Environment, id: string, folder: string) =>
  reportOf<Facts>(environment, 'export', id, folder);

async function change(store: ObjectStore, id: string, ...intents: Intent[]): Promise<void> {
  const manifest = readManifest(id, await bytesOf(store, manifestKey(id)));
  const changed = intents.reduce((before, intent) => apply(before, intent, 10), manifest);
  await store.store(manifestKey(id), writeManifest(changed));
}

describe.each(backends)('export on $name', (backend) => {
  it('writes every picture and fact of an avatar, and nothing of another or of what was erased', async () => {
    const environment = await backend.environment();
    const store = openBackend(environment);
    const [first, second, third] = await samples(3);
    if (!first || !second || !third) throw new Error('three were made');
    const { versions } = await putAvatar(store, 'Ada', [first, second, third], {
      change: { alt: 'Ada, laughing' },
    });
    const [newest, middle, oldest] = versions.map(({ version }) => version);
    await putAvatar(store, 'Ada2', [first]);
    await putAliases(store, 'Ada', [hashOf(1), hashOf(2)], new Date().toISOString());
    const at = new Date().toISOString();
    await change(store, 'Ada', { type: 'eraseVersion', at, version: middle ?? '' }, { type: 'remove', at });
    await store.store(pictureKey('Ada', LEFT, 'master.jpeg'), first.master);
    await store.store(`avatars/~41da/${LEGACY}.png`, second.master);
    const before = await checksums(store);

    const folder = await scratch();
    const report = await exported(environment, 'Ada', folder);
    expect(report).toMatchObject({ code: 0, findings: [], folder, versions: 2, pictures: 4 });
    expect(await checksums(store)).toEqual(before);
    expect((await readdir(join(folder, '..'))).sort()).toEqual(['person']);
    expect((await readdir(folder)).sort()).toEqual(['README.txt', 'avatar.json', 'pictures']);
    const files = [`${LEFT}.jpeg`, `${LEGACY}.png`, `${newest}.jpeg`, `${oldest}.jpeg`];
    expect((await readdir(join(folder, 'pictures'))).sort()).toEqual(files.sort());
    expect(await readFile(join(folder, `pictures/${newest}.jpeg`))).toEqual(third.master);
    expect(await readFile(join(folder, `pictures/${LEGACY}.png`))).toEqual(second.master);
    for (const name of ['.', 'avatar.json', 'pictures', `pictures/${newest}.jpeg`]) {
      expect([name, (await stat(join(folder, name))).mode & 0o077]).toEqual([name, 0]);
    }
    expect(JSON.parse(await readFile(join(folder, 'avatar.json'), 'utf8'))).toMatchObject({
      id: 'Ada',
      current: null,
      hidden: newest,
      versions: [
        { ...versions[0], file: `pictures/${newest}.jpeg` },
        { ...versions[2], file: `pictures/${oldest}.jpeg` },
      ],
      otherPictures: [
        { version: LEFT, file: `pictures/${LEFT}.jpeg` },
        { version: LEGACY, file: `pictures/${LEGACY}.png` },
      ],
      addresses: { hashes: [hashOf(1), hashOf(2)].sort() },
      erasedAt: null,
      erased: [{ version: middle, at }],
    });
    expect(await readFile(join(folder, 'README.txt'), 'utf8')).toContain('avatar.json');
  });

  it('leaves out what is damaged or lost, names it, and writes the rest', async () => {
    const environment = await backend.environment();
    const store = openBackend(environment);
    const pictures = await samples(3);
    const { versions } = await putAvatar(store, 'bob', pictures);
    const [newest, middle, oldest] = versions.map(({ version }) => version);
    const keyOf = (version = '') => pictureKey('bob', version, 'master.jpeg');
    await store.store(keyOf(newest), Buffer.from('no picture'));
    await store.delete(keyOf(oldest));
    const folder = await scratch();
    const report = await exported(environment, 'bob', folder);
    expect(report).toMatchObject({ code: 1, versions: 3, pictures: 1 });
    expect(report.findings.map(({ code, where }) => [code, where])).toEqual([
      ['unreadable_master', keyOf(newest)],
      ['missing_master', keyOf(oldest)],
    ]);
    expect(await readdir(join(folder, 'pictures'))).toEqual([`${middle}.jpeg`]);
    const { versions: told } = JSON.parse(await readFile(join(folder, 'avatar.json'), 'utf8')) as {
      versions: { file: string | null }[];
    };
    expect(told.map(({ file }) => file)).toEqual([null, `pictures/${middle}.jpeg`, null]);
  });
});

describe('export', () => {
  it('writes nothing about somebody whom nobody knows, or whose record is damaged', async () => {
    const environment = await local.environment();
    const store = openBackend(environment);
    await store.store(manifestKey('damaged'), Buffer.from('{'));
    await store.store(aliasKey(hashOf(1)), Buffer.from('{}'));
    for (const [id, code] of [
      ['nobody', 'avatar_not_found'],
      ['damaged', 'manifest_unreadable'],
    ] as const) {
      const folder = await scratch();
      expect(await exported(environment, id, folder)).toMatchObject({
        code: 1,
        folder: null,
        findings: [{ code }],
      });
      expect(await readdir(join(folder, '..'))).toEqual([]);
    }
  });

  it('tells of an avatar that was erased only that it was', async () => {
    const environment = await local.environment();
    const store = openBackend(environment);
    await putAvatar(store, 'gone', await samples(1));
    const at = new Date().toISOString();
    await change(store, 'gone', { type: 'erase', at });
    const folder = await scratch();
    expect(await exported(environment, 'gone', folder)).toMatchObject({ code: 0, versions: 0, pictures: 0 });
    const told = JSON.parse(await readFile(join(folder, 'avatar.json'), 'utf8')) as object;
    expect(told).toMatchObject({ versions: [], otherPictures: [], erasedAt: at });
  });

  it('takes no id that is none, and writes over nothing', async () => {
    const environment = await local.environment();
    await putAvatar(openBackend(environment), '-dash', await samples(1));
    const there = await scratch();
    await mkdir(there);
    await writeFile(join(there, 'mine'), 'mine');
    expect(await visage(environment, 'export', '../x', await scratch())).toMatchObject({
      code: 2,
      stdout: '',
    });
    expect(await visage(environment, 'export', '--', '-dash', there)).toMatchObject({ code: 2, stdout: '' });
    expect(await visage(environment, 'export', '--', '-dash', join(there, 'no/such'))).toMatchObject({
      code: 2,
    });
    const dangling = await scratch();
    await symlink(join(there, 'nowhere'), dangling);
    for (const folder of [dangling, '/proc/visage']) {
      const refused = await visage(environment, 'export', '--', '-dash', folder);
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain(`${folder} can't be made`);
    }
    expect(await readdir(there)).toEqual(['mine']);
    const folder = await scratch();
    expect(await visage(environment, 'export', '--', '-dash', folder)).toMatchObject({ code: 0 });
    expect(await readdir(join(folder, 'pictures'))).toHaveLength(1);
  });
});
