import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { writeAlias } from '../../src/model/alias.js';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { writeManifest } from '../../src/model/manifest-format.js';
import { apply } from '../../src/model/intents.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import type { Environment } from '../support/service.js';
import { SECOND_MS, checksums, hashOf, putAliases, putAvatar, sample, timesOf } from './support/avatars.js';
import { reportOf } from './support/program.js';

interface Facts {
  avatars: number;
  versions: number;
  objects: number;
  aliases: number;
}

/** Shorter than an S3 server lets a clock be wrong: see {@link clockAt}. */
const GRACE_MS = 300_000;

const picture = await sample(0);

describe.each(backends)('gc on $name', (backend) => {
  let environment: Environment;
  let store: ObjectStore;
  const gc = (...more: string[]) => reportOf<Facts>(environment, 'gc', ...more);
  const gcAt = (now: number, ...more: string[]) =>
    reportOf<Facts>({ ...environment, ...clockAt(now) }, 'gc', ...more);

  beforeEach(async () => {
    environment = {
      ...(await backend.environment()),
      AVATAR_GRACE_MS: String(GRACE_MS),
      CONSTANT_AVATAR_COMMIT_TIMEOUT_MS: '400',
    };
    store = openBackend(environment);
  });

  it('deletes objects that no manifest names once they are old enough, and nothing else', async () => {
    const { versions } = await putAvatar(store, 'alice', [picture, picture]);
    const left = pictureKey('alice', uuidv7(), 'master.jpeg');
    const leftRendition = left.replace('master.jpeg', '64.webp');
    const neverCommitted = pictureKey('new', uuidv7(), 'master.jpeg');
    const olderService = `avatars/bob/${uuidv7()}.png`;
    for (const key of [left, leftRendition, neverCommitted, olderService])
      await store.store(key, picture.master);
    await store.store('manifests/broken.json', Buffer.from('{'));
    const bent = { ...(await putAvatar(store, 'bent', [picture])), versions: [null] };
    await store.store(manifestKey('bent'), Buffer.from(JSON.stringify(bent)));
    for (const id of ['broken', 'bent']) {
      await store.store(pictureKey(id, uuidv7(), 'master.jpeg'), picture.master);
    }
    await putAliases(store, 'alice', [hashOf(1)]);
    const unlisted = [aliasKey(hashOf(2)), aliasKey(hashOf(3))];
    for (const key of unlisted) await store.store(key, writeAlias(key === unlisted[0] ? 'alice' : 'nobody'));
    await store.store(aliasKey(hashOf(4)), writeAlias('broken'));
    await store.store(aliasKey(hashOf(7)), writeAlias('bent'));
    await store.store(aliasKey(hashOf(8)), writeAlias(''));
    await store.store(aliasKey(hashOf(5)), Buffer.from('{'));
    const removed = aliasKey(hashOf(9));
    await store.store(removed, writeAlias(undefined));
    const probe = 'probes/of-a-service-that-was-killed';
    await store.store(probe, Buffer.from('probe'));
    const all = Object.keys(await checksums(store));
    const { first } = await timesOf(store);
    expect(await gcAt(first + GRACE_MS)).toMatchObject({ code: 1, objects: 0, aliases: 0 });
    expect(Object.keys(await checksums(store))).toEqual(all);

    await sleep(SECOND_MS);
    const young = pictureKey('alice', uuidv7(), 'master.jpeg');
    await store.store(young, picture.master);
    const youngAlias = aliasKey(hashOf(6));
    await store.store(youngAlias, writeAlias('alice'));
    const youngProbe = 'probes/of-one-that-starts';
    await store.store(youngProbe, Buffer.from('probe'));
    const now = (await timesOf(store, [young, youngAlias, youngProbe])).first + GRACE_MS;
    expect(await gcAt(now, '--dry-run')).toMatchObject({
      code: 1,
      dryRun: true,
      objects: 4,
      versions: 2,
      aliases: 3,
    });
    expect(Object.keys(await checksums(store))).toEqual([...all, young, youngAlias].sort());
    expect(await store.exists(probe)).toBe(true);
    const report = await gcAt(now);
    expect(report).toMatchObject({ code: 1, objects: 4, versions: 2, aliases: 3 });
    expect([...report.findings].sort((a, b) => (a.where < b.where ? -1 : 1))).toEqual([
      {
        code: 'manifest_unreadable',
        where: 'manifests/bent.json',
        message: 'versions[0] has to be an object',
      },
      { code: 'manifest_unreadable', where: 'manifests/broken.json', message: 'it is not JSON' },
    ]);
    const garbage = [left, leftRendition, neverCommitted, removed, ...unlisted];
    expect(Object.keys(await checksums(store))).toEqual(
      [...all.filter((key) => !garbage.includes(key)), young, youngAlias].sort(),
    );
    expect([await store.exists(probe), await store.exists(youngProbe)]).toEqual([false, true]);
    expect(versions).toHaveLength(2);
    for (const id of ['broken', 'bent']) await store.delete(manifestKey(id));
    expect(await gcAt(now)).toMatchObject({ code: 0, findings: [] });
  });

  it('finishes an erasure at once', async () => {
    const manifest = await putAvatar(store, 'alice', [picture, picture]);
    const erased = apply(manifest, { type: 'erase', at: new Date().toISOString() }, 10);
    await store.store(manifestKey('alice'), writeManifest(erased));
    expect(await gc()).toMatchObject({ code: 0, objects: 4, versions: 2 });
    expect(Object.keys(await checksums(store))).toEqual([manifestKey('alice')]);
  });
});
