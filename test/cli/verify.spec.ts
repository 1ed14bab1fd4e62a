import { mkdir, mkdtemp, readdir, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { writeAlias } from '../../src/model/alias.js';
import { aliasKey, manifestKey, pictureKey } from '../../src/model/keys.js';
import { writeManifest } from '../../src/model/manifest-format.js';
import { apply } from '../../src/model/intents.js';
import { type Manifest, type Version } from '../../src/model/manifest.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { picture as animated } from '../http/support/pictures.js';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import { checksums, hashOf, putAliases, putAvatar, sample, timesOf } from './support/avatars.js';
import { type Finding, reportOf, visage } from './support/program.js';

interface Facts {
  avatars: number;
  objects: number;
  aliases: number;
}

const TWO_HOURS = 7_200_000;

/** Shorter than an S3 server lets a clock be wrong: see {@link clockAt}. */
const GRACE_MS = 300_000;

// They run beside each other.
const it = test.concurrent;

const picture = await sample(0);

/** Each in an avatar of its own. @returns the expected finding: code, key and whether it can be repaired */
const damages: Record<
  string,
  (store: ObjectStore, id: string) => Promise<[code: string, key: string, repairable: boolean]>
> = {
  async missingMaster(store, id) {
    const key = masterOf(await putAvatar(store, id, [picture]));
    await store.delete(key);
    return ['missing_master', key, false];
  },
  async emptyMaster(store, id) {
    const key = masterOf(await putAvatar(store, id, [picture]));
    await store.store(key, Buffer.alloc(0));
    return ['empty_object', key, false];
  },
  async shortMaster(store, id) {
    const key = masterOf(await putAvatar(store, id, [picture]));
    await store.store(key, picture.master.subarray(1));
    return ['wrong_size', key, false];
  },
  async changedMaster(store, id) {
    const key = masterOf(await putAvatar(store, id, [picture]));
    const changed = Buffer.from(picture.master);
    changed[changed.length - 3] = (changed[changed.length - 3] ?? 0) ^ 1;
    await store.store(key, changed);
    return ['wrong_checksum', key, false];
  },
  async changedMasterOfFirstReleases(store, id) {
    const { sha256, ...version } = onlyVersion(await putAvatar(store, id, [picture]));
    expect(sha256).toHaveLength(64);
    await store.store(manifestKey(id), writeManifest(manifestOf(id, version)));
    const key = pictureKey(id, version.version, 'master.jpeg');
    await store.store(key, Buffer.alloc(picture.master.length, 7));
    return ['unreadable_master', key, false];
  },
  async emptyRendition(store, id) {
    const key = renditionOf(await putAvatar(store, id, [picture]));
    await store.store(key, Buffer.alloc(0));
    return ['empty_object', key, true];
  },
  async cutRendition(store, id) {
    const key = renditionOf(await putAvatar(store, id, [picture]));
    const whole = picture.renditions['64.webp'] ?? Buffer.alloc(0);
    await store.store(key, whole.subarray(0, whole.length / 2));
    return ['unreadable_rendition', key, true];
  },
  /** libvips would take the frames that are there for the whole animation. */
  async cutAnimation(store, id) {
    const { version } = onlyVersion(await putAvatar(store, id, [{ ...picture, renditions: {} }]));
    const key = pictureKey(id, version, '64.gif');
    const whole = await animated('animatedGif');
    await store.store(key, whole.subarray(0, whole.length / 2));
    return ['unreadable_rendition', key, true];
  },
  async renditionOfAnotherFormat(store, id) {
    const { version } = onlyVersion(await putAvatar(store, id, [{ ...picture, renditions: {} }]));
    const key = pictureKey(id, version, '64.png');
    await store.store(key, picture.master);
    return ['unreadable_rendition', key, true];
  },
  async wrongPointer(store, id) {
    const manifest = await putAvatar(store, id, [picture]);
    await store.store(manifestKey(id), writeManifest({ ...manifest, current: null }));
    return ['wrong_current', manifestKey(id), true];
  },
  async brokenManifest(store, id) {
    await store.store(manifestKey(id), Buffer.from('{"schema":1'));
    return ['manifest_unreadable', manifestKey(id), false];
  },
  async bentManifest(store, id) {
    const manifest = await putAvatar(store, id, [picture]);
    await store.store(manifestKey(id), Buffer.from(JSON.stringify({ ...manifest, versions: [null] })));
    return ['manifest_unreadable', manifestKey(id), false];
  },
  async manifestWithAliasesOfNothing(store, id) {
    const manifest = await putAvatar(store, id, [picture]);
    const aliases = { at: manifest.head?.at, hashes: ['no hash'] };
    await store.store(manifestKey(id), Buffer.from(JSON.stringify({ ...manifest, aliases })));
    return ['manifest_unreadable', manifestKey(id), false];
  },
  async missingAlias(store, id) {
    await putAliases(store, id, [hashOf(9)]);
    await store.delete(aliasKey(hashOf(9)));
    return ['missing_alias', aliasKey(hashOf(9)), true];
  },
  async aliasOfNobody(store, id) {
    await putAliases(store, id, [hashOf(10)]);
    await store.store(aliasKey(hashOf(10)), writeAlias(undefined));
    return ['missing_alias', aliasKey(hashOf(10)), true];
  },
  async notes(store, id) {
    await store.store(`avatars/${id}/notes.txt`, Buffer.from('?'));
    return ['unknown_object', `avatars/${id}/notes.txt`, false];
  },
  async unfinishedErasure(store, id) {
    const manifest = await putAvatar(store, id, [picture]);
    await store.delete(renditionOf(manifest));
    const erased = apply(manifest, { type: 'erase', at: new Date().toISOString() }, 10);
    await store.store(manifestKey(id), writeManifest(erased));
    return ['erased_object', masterOf(manifest), true];
  },
};

describe.each(backends)('verify on $name', (backend) => {
  const setUp = async () => {
    const environment = await backend.environment();
    const verify = (...parameters: string[]) => reportOf<Facts>(environment, 'verify', ...parameters);
    return { environment, store: openBackend(environment), verify };
  };

  it('finds nothing if all is well, as with an old upload or a version on its way', async () => {
    const { store, verify } = await setUp();
    await putAvatar(store, 'alice', [picture, picture]);
    await putAvatar(store, 'Bob@example', [picture]);
    await store.store(pictureKey('carl', uuidv7(), 'master.jpeg'), picture.master);
    await store.store(`avatars/dora/${uuidv7()}.png`, Buffer.from('as it came'));
    await putAliases(store, 'alice', [hashOf(1), hashOf(2)]);
    await putAliases(store, 'dora', [hashOf(2)]);
    await store.store(aliasKey(hashOf(3)), writeAlias('alice'));
    expect(await verify()).toMatchObject({ code: 0, avatars: 4, objects: 11, aliases: 3, findings: [] });
  });

  it('names each kind of damage, repairs whatever can be repaired without a loss, and nothing with --dry-run', async () => {
    const { store, verify } = await setUp();
    const expected = await Promise.all(
      Object.entries(damages).map(([name, damage]) => damage(store, name.toLowerCase())),
    );
    const before = await checksums(store);

    const [seen, dry] = await Promise.all([verify(), verify('--repair', '--dry-run')]);
    expect(seen.code).toBe(1);
    expect(told(seen.findings)).toEqual(expected.map(([code, key]) => `${code} ${key}`).sort());
    expect(told(dry.findings.filter(({ repairable }) => repairable))).toEqual(
      expected
        .filter(([, , repairable]) => repairable)
        .map(([code, key]) => `${code} ${key}`)
        .sort(),
    );
    expect(await checksums(store)).toEqual(before);

    const repaired = await verify('--repair');
    expect(repaired.code).toBe(1);
    expect(told(repaired.findings.filter(({ repaired }) => repaired))).toEqual(
      told(dry.findings.filter(({ repairable }) => repairable)),
    );
    const after = await verify();
    expect(told(after.findings)).toEqual(
      expected
        .filter(([, , repairable]) => !repairable)
        .map(([code, key]) => `${code} ${key}`)
        .sort(),
    );
  });

  it('takes the pointer of a manifest without a last change as it is', async () => {
    const { store, verify } = await setUp();
    const { head, ...manifest } = await putAvatar(store, 'alice', [picture]);
    expect(head?.version).toBe(manifest.current);
    await store.store(manifestKey('alice'), writeManifest(manifest));
    const before = await checksums(store);
    expect(await verify('--repair')).toMatchObject({ code: 0, findings: [] });
    expect(await checksums(store)).toEqual(before);
  });

  it('ends with 0 if everything could be repaired', async () => {
    const { store, verify } = await setUp();
    await damages['emptyRendition']?.(store, 'alice');
    await damages['wrongPointer']?.(store, 'bob');
    expect(await verify()).toMatchObject({ code: 1 });
    expect(await verify('--repair')).toMatchObject({ code: 0 });
    expect(await verify()).toMatchObject({ code: 0, findings: [] });
  });

  it('names aliases that cannot be read, and those that no manifest lists once they are too old to be on their way', async () => {
    const { environment, store } = await setUp();
    const verifyAt = (now: number, ...more: string[]) => {
      const grace = { AVATAR_GRACE_MS: String(GRACE_MS), ...clockAt(now) };
      return reportOf<Facts>({ ...environment, ...grace }, 'verify', ...more);
    };
    await putAliases(store, 'alice', [hashOf(1)]);
    await store.store(aliasKey(hashOf(2)), writeAlias('alice'));
    await store.store(aliasKey(hashOf(3)), Buffer.from('{'));
    await store.store(aliasKey(hashOf(4)), writeAlias(''));
    await store.store(aliasKey(hashOf(5)), writeAlias(undefined));
    await store.store('aliases/notes.txt', Buffer.from('?'));
    const { first, last } = await timesOf(store);
    const inTime = await verifyAt(first + GRACE_MS);
    const atAnyAge = [
      `alias_unreadable ${aliasKey(hashOf(3))}`,
      `alias_unreadable ${aliasKey(hashOf(4))}`,
      'unknown_object aliases/notes.txt',
    ];
    expect(told(inTime.findings)).toEqual([...atAnyAge].sort());
    const tooLate = await verifyAt(last + GRACE_MS + 1, '--repair');
    // That of nobody is no damage.
    expect(told(tooLate.findings)).toEqual([...atAnyAge, `orphaned_alias ${aliasKey(hashOf(2))}`].sort());
  });

  it('prints a line for each finding without --json', async () => {
    const { environment, store } = await setUp();
    const found = await damages['missingMaster']?.(store, 'alice');
    const { stdout, code } = await visage(environment, 'verify');
    expect(code).toBe(1);
    expect(stdout).toContain(`missing_master ${found?.[1] ?? ''}: `);
  });

  if (backend.name === 'local') {
    it('finds writes that never ended once they are an hour old, and removes them with --repair', async () => {
      const { environment, store, verify } = await setUp();
      await putAvatar(store, 'alice', [picture]);
      const folder = join(environment['STORAGE_LOCAL_PATH'] ?? '', '.tmp');
      await mkdir(folder, { recursive: true });
      for (const name of ['old', 'new']) await writeFile(join(folder, name), 'half');
      const then = new Date(Date.now() - TWO_HOURS);
      await utimes(join(folder, 'old'), then, then);
      const report = await verify('--repair');
      expect(report).toMatchObject({ code: 0 });
      expect(told(report.findings)).toEqual([`stuck_temporary ${join(folder, 'old')}`]);
      expect(await verify()).toMatchObject({ code: 0, findings: [] });
    });
  } else {
    it('finds entries of the outbox that wait for a service that does not run, and those that were set aside', async () => {
      const { environment, verify } = await setUp();
      const outbox = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
      environment['OUTBOX_PATH'] = outbox;
      const [old, young, poisoned] = [uuidv7({ msecs: Date.now() - TWO_HOURS }), uuidv7(), uuidv7()];
      await mkdir(join(outbox, 'slot-0', 'pending'), { recursive: true });
      await mkdir(join(outbox, 'slot-0', 'aside'));
      for (const name of [old, young])
        await writeFile(join(outbox, 'slot-0', 'pending', `${name}.json`), '{}');
      await writeFile(join(outbox, 'slot-0', 'aside', `${poisoned}.json`), '{}');
      await writeFile(join(outbox, 'slot-0', 'aside', `${poisoned}.reason`), 'the master is missing\n');
      for (const [slot, record] of [
        ['slot-1', '{"bucket":"theirs","endpoint":"http://minio:9000"}'],
        ['slot-2', 'not JSON'],
      ] as const) {
        await mkdir(join(outbox, slot, 'pending'), { recursive: true });
        await writeFile(join(outbox, slot, 'pending', `${old}.json`), '{}');
        await writeFile(join(outbox, slot, 'storage.json'), record);
      }
      const report = await verify();
      expect(report.code).toBe(1);
      expect(told(report.findings)).toEqual([
        `outbox_set_aside ${join(outbox, 'slot-0', 'aside', `${poisoned}.json`)}`,
        `outbox_stuck ${join(outbox, 'slot-0', 'pending', `${old}.json`)}`,
        `outbox_stuck ${join(outbox, 'slot-1', 'pending', `${old}.json`)}`,
        `outbox_stuck ${join(outbox, 'slot-2', 'pending', `${old}.json`)}`,
      ]);
      const messages = report.findings.map(({ message }) => message);
      expect(messages).toEqual([
        expect.stringContaining('the master is missing'),
        expect.stringContaining('start the service here'),
        expect.stringContaining('bucket theirs at http://minio:9000'),
        expect.stringContaining(join(outbox, 'slot-2', 'storage.json')),
      ]);
      expect((await readdir(join(outbox, 'slot-1'))).sort()).toEqual(['pending', 'storage.json']);
    });
  }
});

describe('verify', () => {
  it('refuses a folder that is not there with exit code 2, and does not call it empty', async () => {
    expect(await visage({ STORAGE_LOCAL_PATH: 'nowhere' }, 'verify', '--json')).toMatchObject({
      code: 2,
      stdout: '',
    });
  });

  it('ends with exit code 3 if the bucket does not answer', async () => {
    const s3 = {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
    };
    expect(await visage({ ...s3, STORAGE_S3_TIMEOUT_MS: '1000' }, 'verify')).toMatchObject({ code: 3 });
  });
});

function onlyVersion({ versions }: Manifest): Version {
  const [version] = versions;
  if (!version) throw new Error('there is no version');
  return version;
}

function masterOf(manifest: Manifest): string {
  return pictureKey(manifest.id, onlyVersion(manifest).version, 'master.jpeg');
}

function renditionOf(manifest: Manifest): string {
  return pictureKey(manifest.id, onlyVersion(manifest).version, '64.webp');
}

function manifestOf(id: string, version: Version): Manifest {
  const head = { at: version.uploadedAt, version: version.version };
  return { schema: 1, id, current: version.version, versions: [version], head };
}

function told(findings: readonly Finding[]): string[] {
  return findings.map(({ code, where }) => `${code} ${where}`).sort();
}
