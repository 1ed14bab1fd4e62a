import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { targetOf, writeAlias } from '../../src/model/alias.js';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { readManifest, writeManifest } from '../../src/model/manifest-format.js';
import { apply } from '../../src/model/intents.js';
import { type Manifest, emptyManifest } from '../../src/model/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { openBackend, s3Environment } from '../support/backends.js';
import { local } from '../support/local.js';
import { s3Client, testS3 } from '../support/s3.js';
import type { Environment } from '../support/service.js';
import {
  type Sample,
  bytesOf,
  checksums,
  hashOf,
  putAliases,
  putAvatar,
  samples,
} from './support/avatars.js';
import { reportOf, visage } from './support/program.js';
import { describeRoutes } from './support/routes.js';

interface Facts {
  settled: boolean;
  passes: number;
  copied: number;
  same: number;
  replaced: number;
  manifests: number;
  removed: number;
}

// They run beside each other: between its passes the program waits for more than a second.
const it = test.concurrent;

const pictures = await samples(6);
const picture = (i: number): Sample => {
  const sample = pictures[i];
  if (!sample) throw new Error('no such picture');
  return sample;
};

describeRoutes('migrate', (from, to) => {
  const setUp = async () => {
    const [there, here] = await Promise.all([from.environment(), to.environment()]);
    const environment = { ...there, ...here, NODE_ENV: 'production' };
    return {
      source: openBackend(there),
      target: openBackend(here),
      migrate: (...more: string[]) =>
        reportOf<Facts>(environment, 'migrate', '--from', from.name, '--to', to.name, ...more),
    };
  };

  it('copies pictures and manifests to the byte, once', async () => {
    const { source, target, migrate } = await setUp();
    await putAvatar(source, 'alice', [picture(0), picture(1)]);
    await putAvatar(source, 'Bob@example', [picture(2)]);
    await putAvatar(source, 'alice-2', [picture(3)]);
    expect(await migrate()).toMatchObject({
      code: 0,
      settled: true,
      passes: 2,
      copied: 8,
      manifests: 3,
      findings: [],
    });
    expect(await checksums(target)).toEqual(await checksums(source));
    expect(await migrate()).toMatchObject({ code: 0, passes: 1, copied: 0, same: 0, manifests: 0 });
  });

  it('changes nothing with --dry-run, and says how much it would do', async () => {
    const { source, target, migrate } = await setUp();
    await putAvatar(source, 'alice', [picture(0), picture(1)]);
    const before = await checksums(source);
    const dry = await migrate('--dry-run');
    expect(dry).toMatchObject({ code: 0, dryRun: true, copied: 4, manifests: 1 });
    expect(dry).not.toHaveProperty('settled');
    expect(await checksums(target)).toEqual({});
    expect(await checksums(source)).toEqual(before);
  });

  it('takes along later changes: a new version, a rendition made later, a delete', async () => {
    const { source, target, migrate } = await setUp();
    const { versions } = await putAvatar(source, 'alice', [picture(0)]);
    await putAvatar(source, 'bob', [picture(1)]);
    await copyAll(source, target);
    const rendition = pictureKey('alice', versions[0]?.version ?? '', '128.png');
    await source.store(rendition, Buffer.from('made later'));
    const bob = readManifest('bob', await bytesOf(source, manifestKey('bob')));
    const removed = apply(bob, { type: 'remove', at: new Date().toISOString() }, 10);
    await source.store(manifestKey('bob'), writeManifest(removed));
    expect(await migrate()).toMatchObject({ code: 0, copied: 1, manifests: 1 });
    expect(await checksums(target)).toEqual(await checksums(source));
  });

  it('repairs pictures that another tool left damaged on the other side, of the same size or not', async () => {
    const { source, target, migrate } = await setUp();
    const { versions } = await putAvatar(source, 'alice', [picture(0)]);
    const master = pictureKey('alice', versions[0]?.version ?? '', 'master.jpeg');
    const rendition = pictureKey('alice', versions[0]?.version ?? '', '64.webp');
    await target.store(master, Buffer.alloc(picture(0).master.length));
    await target.store(rendition, Buffer.alloc(0));
    expect(await migrate()).toMatchObject({ code: 0, replaced: 2, manifests: 1 });
    expect(await checksums(target)).toEqual(await checksums(source));
  });

  it('copies no version that its manifest does not know', async () => {
    const { source, target, migrate } = await setUp();
    const { versions } = await putAvatar(source, 'alice', [picture(0), picture(1)]);
    const [, old] = versions;
    const manifest = readManifest('alice', await bytesOf(source, manifestKey('alice')));
    await source.store(manifestKey('alice'), writeManifest({ ...manifest, versions: versions.slice(0, 1) }));
    expect(await migrate()).toMatchObject({ code: 0, copied: 2 });
    expect(await target.exists(pictureKey('alice', old?.version ?? '', 'master.jpeg'))).toBe(false);
  });

  it('lets an erasure erase on the other side as well', async () => {
    const { source, target, migrate } = await setUp();
    const manifest = await putAvatar(source, 'alice', [picture(0), picture(1)]);
    await putAvatar(source, 'bob', [picture(2)]);
    await copyAll(source, target);
    const erased = apply(manifest, { type: 'erase', at: new Date().toISOString() }, 10);
    await source.store(manifestKey('alice'), writeManifest(erased));
    for (const { version } of manifest.versions) {
      for (const name of ['master.jpeg', '64.webp']) await source.delete(pictureKey('alice', version, name));
    }
    expect(await migrate()).toMatchObject({ code: 0, removed: 4, manifests: 1 });
    expect(await checksums(target)).toEqual(await checksums(source));
  });

  it('merges with a destination that has gone on by itself, and never brings back avatars erased there', async () => {
    const { source, target, migrate } = await setUp();
    const shared = await putAvatar(source, 'alice', [picture(0)]);
    const gone = await putAvatar(source, 'bob', [picture(1)]);
    await copyAll(source, target);
    const newer = await putAvatar(target, 'alice', [picture(3)], { at: Date.now() });
    const both = [...newer.versions, ...shared.versions];
    await target.store(manifestKey('alice'), writeManifest({ ...newer, versions: both }));
    await target.store(
      manifestKey('bob'),
      writeManifest(apply(gone, { type: 'erase', at: new Date().toISOString() }, 10)),
    );
    const before = await putAvatar(source, 'alice', [picture(2)], { at: Date.now() - 3_600_000 });
    await source.store(
      manifestKey('alice'),
      writeManifest({ ...before, versions: [...before.versions, ...shared.versions] }),
    );
    expect(await migrate()).toMatchObject({ code: 0, settled: true });
    const alice = readManifest('alice', await bytesOf(target, manifestKey('alice')));
    expect(alice.current).toBe(newer.current);
    expect(names(alice)).toEqual(
      names({ ...newer, versions: [...newer.versions, ...before.versions, ...shared.versions] }),
    );
    const bob = readManifest('bob', await bytesOf(target, manifestKey('bob')));
    expect([bob.current, bob.versions]).toEqual([null, []]);
    expect(await target.exists(pictureKey('bob', gone.versions[0]?.version ?? '', 'master.jpeg'))).toBe(
      false,
    );
  });

  it('takes along aliases, follows those that were removed, taken over or erased since, and skips void ones', async () => {
    const { source, target, migrate } = await setUp();
    await putAvatar(source, 'alice', [picture(0)]);
    await putAliases(source, 'alice', [hashOf(1), hashOf(2)]);
    await putAliases(source, 'bob', [hashOf(3)]);
    await putAliases(source, 'carl', [hashOf(4)]);
    const garbage = aliasKey(hashOf(5));
    await source.store(garbage, writeAlias('alice'));
    const counting = async () => {
      const { [garbage]: sum, ...rest } = await checksums(source);
      expect(sum).toHaveLength(64);
      return rest;
    };
    expect(await migrate()).toMatchObject({ code: 0, copied: 6, manifests: 3 });
    expect(await checksums(target)).toEqual(await counting());
    expect(await migrate()).toMatchObject({ code: 0, passes: 1, copied: 0, manifests: 0 });

    await putAliases(source, 'alice', [hashOf(2)]);
    await putAliases(source, 'bob', [hashOf(2), hashOf(3)]);
    const carl = readManifest('carl', await bytesOf(source, manifestKey('carl')));
    const erased = apply(carl, { type: 'erase', at: new Date(Date.now() + 1).toISOString() }, 10);
    await source.delete(aliasKey(hashOf(4)));
    await source.store(manifestKey('carl'), writeManifest(erased));
    expect(await migrate('--dry-run')).toMatchObject({ removed: 2, replaced: 1 });
    expect(await migrate()).toMatchObject({ code: 0, removed: 2, replaced: 1, manifests: 3 });
    expect(await checksums(target)).toEqual(await counting());
    expect(targetOf(await read(target, aliasKey(hashOf(2))))).toBe('bob');
  });

  it('leaves a hash to the avatar of the destination that has got it since', async () => {
    const { source, target, migrate } = await setUp();
    const [earlier, later] = [new Date(Date.now() - 60_000).toISOString(), new Date().toISOString()];
    await putAliases(source, 'alice', [hashOf(1)], earlier);
    await putAliases(source, 'bob', [hashOf(2)], later);
    await putAliases(target, 'zoe', [hashOf(1)], later);
    await putAliases(target, 'yan', [hashOf(2)], earlier);
    expect(await migrate()).toMatchObject({ code: 0, replaced: 1, manifests: 2 });
    expect(targetOf(await read(target, aliasKey(hashOf(1))))).toBe('zoe');
    expect(targetOf(await read(target, aliasKey(hashOf(2))))).toBe('bob');
  });

  it('takes along uploads of the service that Visage grew from, adopted or not, but no erased ones', async () => {
    const { source, target, migrate } = await setUp();
    const upload = (id: string, version: string) => `avatars/${id}/${version}.png`;
    const put = (key: string) => source.store(key, Buffer.from(`an upload as it came: ${key}`));
    await put(upload('018f0000-0000-7000-8000-000000000001', '018f0000-0000-7000-8000-0000000000aa'));
    await put(upload('Capital', '018f0000-0000-7000-8000-0000000000ab'));
    await put(upload('adopted', '018f0000-0000-7000-8000-0000000000ac'));
    await putAvatar(source, 'adopted', [picture(0)]);
    await put(upload('erased', '018f0000-0000-7000-8000-0000000000ad'));
    expect(await migrate()).toMatchObject({ code: 0, copied: 6, manifests: 1 });
    expect(await checksums(target)).toEqual(await checksums(source));
    const erased = apply(emptyManifest('erased'), { type: 'erase', at: new Date().toISOString() }, 10);
    await source.store(manifestKey('erased'), writeManifest(erased));
    expect(await migrate()).toMatchObject({ code: 0, copied: 0, removed: 1, manifests: 1 });
    expect(await target.exists(upload('erased', '018f0000-0000-7000-8000-0000000000ad'))).toBe(false);
  });

  it('reports and leaves out objects that it does not know, and moves the rest', async () => {
    const { source, target, migrate } = await setUp();
    await putAvatar(source, 'alice', [picture(0)]);
    const { versions } = await putAvatar(source, 'bob', [picture(1)]);
    const missing = pictureKey('bob', versions[0]?.version ?? '', 'master.jpeg');
    await source.delete(missing);
    await source.store('manifests/broken.json', Buffer.from('{'));
    const bent = { ...(await putAvatar(source, 'bent', [picture(2)])), current: 7 };
    await source.store(manifestKey('bent'), Buffer.from(JSON.stringify(bent)));
    const there = { ...(await putAvatar(source, 'there', [picture(3)])), erasedAt: 'never' };
    await target.store(manifestKey('there'), Buffer.from(JSON.stringify(there)));
    await source.store('avatars/notes.txt', Buffer.from('?'));
    const report = await migrate();
    expect(report).toMatchObject({ code: 1, settled: true });
    expect(report.findings.map(({ code, where }) => `${code} ${where}`).sort()).toEqual([
      'manifest_unreadable manifests/bent.json',
      'manifest_unreadable manifests/broken.json',
      'manifest_unreadable manifests/there.json',
      `missing_master ${missing}`,
      'unknown_object avatars/notes.txt',
    ]);
    expect(await target.exists(manifestKey('alice'))).toBe(true);
    for (const id of ['bent', 'broken']) expect(await target.exists(manifestKey(id))).toBe(false);
    expect(await target.exists(pictureKey('bent', bent.versions[0]?.version ?? '', 'master.jpeg'))).toBe(
      false,
    );
  });
});

describe('migrate', () => {
  if (testS3) {
    const s3 = testS3;
    it('gives each object the headers of its kind', async () => {
      const [folder, bucket] = await Promise.all([local.environment(), s3Environment()]);
      const { versions } = await putAvatar(openBackend(folder), 'alice', [picture(0)]);
      const older = 'avatars/bob/018f0000-0000-7000-8000-0000000000aa.JPG';
      await openBackend(folder).store(older, Buffer.from('as it came'));
      await reportOf({ ...folder, ...bucket }, 'migrate', '--from', 'local', '--to', 's3');
      const head = async (key: string) => {
        const object = { Bucket: bucket['STORAGE_S3_BUCKET'], Key: key };
        const { ContentType, CacheControl } = await s3Client(s3).send(new HeadObjectCommand(object));
        return [ContentType, CacheControl];
      };
      const immutable = 'public, max-age=31536000, immutable';
      const of = (name: string) => pictureKey('alice', versions[0]?.version ?? '', name);
      expect(await head(of('master.jpeg'))).toEqual(['image/jpeg', immutable]);
      expect(await head(of('64.webp'))).toEqual(['image/webp', immutable]);
      expect(await head(manifestKey('alice'))).toEqual(['application/json', 'no-store']);
      expect(await head(older)).toEqual(['image/jpeg', undefined]);
    });
  }

  const twoFolders = async () => {
    const [there, here] = await Promise.all([local.environment(), local.environment()]);
    return { there, here };
  };

  it('copies from folder to folder, each named by a file of settings', async () => {
    const { there, here } = await twoFolders();
    await putAvatar(openBackend(there), 'alice', [picture(0)]);
    const file = join(here['STORAGE_LOCAL_PATH'] ?? '', '.to.yaml');
    await writeFile(file, `storage: { backend: s3, local: { path: ${here['STORAGE_LOCAL_PATH'] ?? ''} } }`);
    const report = await reportOf<Facts>(
      there,
      ...['migrate', '--from', 'local', '--to', 'local', '--to-config', file],
    );
    expect(report).toMatchObject({ code: 0, copied: 2, manifests: 1 });
    expect(await checksums(openBackend(here))).toEqual(await checksums(openBackend(there)));
  });

  it('keeps the whole history if the settings of the destination forget that it is longer', async () => {
    const { there, here } = await twoFolders();
    const [source, target] = [openBackend(there), openBackend(here)];
    const file = join(here['STORAGE_LOCAL_PATH'] ?? '', '.to.yaml');
    const path = here['STORAGE_LOCAL_PATH'] ?? '';
    await writeFile(file, `{ storage: { local: { path: ${path} } }, avatar: { history: 1 } }`);
    for (const own of [[picture(0)], [picture(1), picture(2)]]) {
      await putAvatar(source, 'alice', own);
      const { code } = await reportOf<Facts>(
        there,
        ...['migrate', '--from', 'local', '--to', 'local', '--to-config', file],
      );
      expect(code).toBe(0);
    }
    const versionsIn = async (store: ObjectStore) =>
      readManifest('alice', await bytesOf(store, manifestKey('alice'))).versions;
    expect(await versionsIn(target)).toEqual(expect.arrayContaining(await versionsIn(source)));
  });

  it.each<[string, Environment, string[], RegExp]>([
    ['no destination', {}, ['--from', 'local'], /--to/],
    ['an unknown backend', {}, ['--from', 'ftp', '--to', 's3'], /local, s3/],
    ['no bucket', {}, ['--from', 'local', '--to', 's3'], /STORAGE_S3_BUCKET/],
    ['the same on both sides', { STORAGE_LOCAL_PATH: '.' }, ['--from', 'local', '--to', 'local'], /same/],
    [
      'a folder that is not there',
      { STORAGE_LOCAL_PATH: 'x' },
      ['--from', 'local', '--to', 'local'],
      /no folder/,
    ],
    ['bad concurrency', {}, ['--from', 'local', '--to', 'local', '--concurrency', '0'], /1 to 999/],
  ])('refuses %s with exit code 2', async (_, environment, parameters, reason) => {
    const ended = await visage(environment, 'migrate', ...parameters);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(reason);
  });

  it('ends with exit code 3 if the bucket does not answer', async () => {
    const s3 = {
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_TIMEOUT_MS: '1000',
    };
    const ended = await visage(
      { ...s3, STORAGE_LOCAL_PATH: '.' },
      'migrate',
      '--from',
      'local',
      '--to',
      's3',
    );
    expect(ended).toMatchObject({ code: 3, stdout: '' });
  });
});

function names({ versions }: Manifest): string[] {
  return versions.map(({ version }) => version);
}

async function read(store: ObjectStore, key: string): Promise<{ bytes: Buffer }> {
  return { bytes: await bytesOf(store, key) };
}

/** As a migration leaves a destination behind: pictures came before their manifest. */
async function copyAll(from: ObjectStore, to: ObjectStore): Promise<void> {
  for (const prefix of ['avatars/', 'manifests/']) {
    for await (const { key } of from.list(prefix)) await to.store(key, await bytesOf(from, key));
  }
}
