import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { writeAlias } from '../../src/avatars/aliases.js';
import { aliasKey, manifestKey, pictureKey, versionOf } from '../../src/avatars/keys.js';
import { apply, readManifest, writeManifest } from '../../src/avatars/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { openBackend } from '../support/backend.js';
import { type Environment, backends, startService } from '../support/service.js';
import {
  type Sample,
  bytesOf,
  checksums,
  hashOf,
  putAliases,
  putAvatar,
  samples,
  uploadBody,
} from './support/avatars.js';
import { reportOf } from './support/program.js';

interface Facts {
  avatars: number;
  versions: number;
  objects: number;
  aliases: number;
}

/** The shortest that the settings allow with these deadlines. */
const GRACE_MS = 8000;
const SHORT = {
  AVATAR_GRACE_MS: String(GRACE_MS),
  AVATAR_COMMIT_TIMEOUT_MS: '2000',
  STORAGE_S3_TIMEOUT_MS: '2000',
  STORAGE_LOCAL_LOCK_TIMEOUT_MS: '2000',
};

describe.each(backends)('gc on $name', (backend) => {
  let environment: Environment;
  let store: ObjectStore;
  let sample: Sample;
  const gc = (...more: string[]) => reportOf<Facts>(environment, 'gc', ...more);

  beforeEach(async () => {
    environment = { ...(await backend.environment()), ...SHORT };
    store = openBackend(environment);
    const [only] = await samples(1);
    if (!only) throw new Error('there is no picture');
    sample = only;
  });

  it('deletes what no manifest names once it is old enough, and nothing else', async () => {
    const { versions } = await putAvatar(store, 'alice', [sample, sample]);
    const left = pictureKey('alice', uuidv7(), 'master.jpeg');
    const leftRendition = left.replace('master.jpeg', '64.webp');
    const neverCommitted = pictureKey('new', uuidv7(), 'master.jpeg');
    const olderService = `avatars/bob/${uuidv7()}.png`;
    for (const key of [left, leftRendition, neverCommitted, olderService])
      await store.store(key, sample.master);
    await store.store('manifests/broken.json', Buffer.from('{'));
    await store.store(pictureKey('broken', uuidv7(), 'master.jpeg'), sample.master);
    await putAliases(store, 'alice', [hashOf(1)]);
    const unlisted = [aliasKey(hashOf(2)), aliasKey(hashOf(3))];
    for (const key of unlisted) await store.store(key, writeAlias(key === unlisted[0] ? 'alice' : 'nobody'));
    await store.store(aliasKey(hashOf(4)), writeAlias('broken'));
    await store.store(aliasKey(hashOf(5)), Buffer.from('{'));
    const probe = 'probes/of-a-service-that-was-killed';
    await store.store(probe, Buffer.from('probe'));
    const all = Object.keys(await checksums(store));
    expect(await gc()).toMatchObject({ code: 1, objects: 0, aliases: 0 });
    expect(Object.keys(await checksums(store))).toEqual(all);

    await sleep(GRACE_MS + 1500);
    const young = pictureKey('alice', uuidv7(), 'master.jpeg');
    await store.store(young, sample.master);
    const youngAlias = aliasKey(hashOf(6));
    await store.store(youngAlias, writeAlias('alice'));
    const youngProbe = 'probes/of-one-that-starts';
    await store.store(youngProbe, Buffer.from('probe'));
    expect(await gc('--dry-run')).toMatchObject({
      code: 1,
      dryRun: true,
      objects: 4,
      versions: 2,
      aliases: 2,
    });
    expect(Object.keys(await checksums(store))).toEqual([...all, young, youngAlias].sort());
    expect(await store.exists(probe)).toBe(true);
    const report = await gc();
    expect(report).toMatchObject({ code: 1, objects: 4, versions: 2, aliases: 2 });
    expect(report.findings).toMatchObject([{ code: 'manifest_unreadable', where: 'manifests/broken.json' }]);
    const garbage = [left, leftRendition, neverCommitted, ...unlisted];
    expect(Object.keys(await checksums(store))).toEqual(
      [...all.filter((key) => !garbage.includes(key)), young, youngAlias].sort(),
    );
    expect([await store.exists(probe), await store.exists(youngProbe)]).toEqual([false, true]);
    expect(versions).toHaveLength(2);
    await store.delete('manifests/broken.json');
    expect(await gc()).toMatchObject({ code: 0, findings: [] });
  });

  it('finishes an erasure at once', async () => {
    const manifest = await putAvatar(store, 'alice', [sample, sample]);
    const erased = apply(manifest, { type: 'erase', at: new Date().toISOString() }, 10);
    await store.store(manifestKey('alice'), writeManifest(erased));
    expect(await gc()).toMatchObject({ code: 0, objects: 4, versions: 2 });
    expect(Object.keys(await checksums(store))).toEqual([manifestKey('alice')]);
  });

  it('runs again and again beside uploads, and never takes one that was accepted', async () => {
    const service = await startService({ ...environment, AVATAR_HISTORY: '2' });
    environment['AVATAR_HISTORY'] = '2';
    const accepted: string[] = [];
    let uploading = true;
    const upload = async (writer: number) => {
      for (let i = 0; uploading; i++) {
        const body = new Uint8Array(await uploadBody(writer * 1000 + i));
        const answer = await fetch(`${service.url}/v1/avatars/user-${writer}`, { method: 'PUT', body });
        expect(answer.status).toBe(201);
        accepted.push(((await answer.json()) as { version: string }).version);
        await sleep(30);
      }
    };
    const writers = [1, 2, 3].map(upload);
    const since = performance.now();
    let collected = 0;
    while (performance.now() - since < 2 * GRACE_MS) collected += (await gc()).objects;
    uploading = false;
    await Promise.all(writers);
    expect(await service.stop()).toBe(0);

    const named: string[] = [];
    for (const id of ['user-1', 'user-2', 'user-3']) {
      const { versions } = readManifest(id, await bytesOf(store, manifestKey(id)));
      for (const { version } of versions) {
        named.push(version);
        expect(await store.exists(pictureKey(id, version, 'master.jpeg'))).toBe(true);
      }
    }
    expect(named.filter((version) => !accepted.includes(version))).toEqual([]);
    await sleep(GRACE_MS + 1500);
    collected += (await gc()).objects;
    expect(collected).toBeGreaterThan(0);
    const left = Object.keys(await checksums(store))
      .map(versionOf)
      .filter((version) => version !== undefined);
    expect([...new Set(left)].sort()).toEqual(named.sort());
  });
});
