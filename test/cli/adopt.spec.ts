import { ADOPTION_COMPLETE, manifestKey } from '../../src/model/keys.js';
import { AvatarClient, expectStatus, jsonOf } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { LEGACY, leaveUpload } from '../support/older-service.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, startService } from '../support/service.js';
import { checksums } from './support/avatars.js';
import { reportOf, visage } from './support/program.js';
import { describeRoutes } from './support/routes.js';

interface Facts {
  avatars: number;
  adopted: number;
  refused: number;
  complete: boolean;
}

interface Moved {
  unadopted: number;
  unfinished?: string;
}

const NEWER = '01900000-0001-7000-8000-000000000001';

const adopt = (environment: Environment, ...more: string[]) => reportOf<Facts>(environment, 'adopt', ...more);
const isMarked = (environment: Environment) => openBackend(environment).exists(ADOPTION_COMPLETE);

describe.each(backends)('adopt on $name', (backend) => {
  it('adopts what the service would, once, and says that nothing is left', async () => {
    const environment = await backend.environment();
    const store = openBackend(environment);
    await Promise.all(['alice', 'bob', 'Escaped'].map((id) => leaveUpload(environment, id)));
    const broken = `avatars/bob/${NEWER}.png`;
    await store.store(broken, Buffer.from('no picture'));
    await store.store(`avatars/carol/${NEWER}.png`, Buffer.from('no picture'));
    await store.store(`avatars/huge/${NEWER}.png`, Buffer.alloc(2_000_000));

    const before = await checksums(store);
    const limited = { ...environment, AVATAR_MAX_SIZE_BYTES: '1000000' };
    const { code, findings, ...facts } = await adopt(limited, '--dry-run');
    // It reads no picture, so it cannot tell which are refused, nor what is left.
    expect([code, findings, Object.keys(facts)]).toEqual([
      0,
      [],
      ['command', 'dryRun', 'storage', 'avatars', 'adopted'],
    ]);
    expect(facts.adopted).toBe(4);
    expect(await checksums(store)).toEqual(before);
    expect(await isMarked(environment)).toBe(false);

    const report = await adopt(limited);
    expect(report).toMatchObject({ code: 1, adopted: 2, refused: 3, complete: true });
    expect(report.findings.map(({ code, where }) => [where, code]).sort()).toEqual([
      [broken, 'unsupported_image'],
      [`avatars/carol/${NEWER}.png`, 'unsupported_image'],
      [`avatars/huge/${NEWER}.png`, 'upload_too_large'],
    ]);
    expect(await isMarked(environment)).toBe(true);
    const after = await checksums(store);
    expect(Object.keys(after)).toEqual(
      expect.arrayContaining([manifestKey('bob'), `avatars/alice/${LEGACY}/master.jpeg`]),
    );
    expect(await adopt(limited)).toMatchObject({ code: 1, adopted: 0, refused: 2, complete: true });
    const { findings: seen } = await reportOf(environment, 'verify');
    const unadopted = seen.filter(({ code }) => code === 'unadopted_picture');
    // Avatars are examined at the same time, in any order.
    expect(unadopted.map(({ where }) => where).sort()).toEqual([
      `avatars/carol/${NEWER}.png`,
      `avatars/huge/${NEWER}.png`,
    ]);
    // What helps is the same, whichever command tells.
    for (const { message } of [...report.findings, ...unadopted]) {
      expect(message).toMatch(/upload another picture for the avatar, or remove the object/i);
    }
    expect(await checksums(store)).toEqual(after);
  });

  it('adopts what was copied into a storage that was empty when the service started, and verify asks for it', async () => {
    const environment = { ...(await backend.environment()), CACHE_MAX_AGE_MS: '0' };
    const service = await startService(environment);
    try {
      expect(await isMarked(environment)).toBe(true);
      const key = await leaveUpload(environment, 'alice');
      const alice = new AvatarClient(service.url, 'alice');
      expectStatus(404, await alice.get());
      // An address is no reason to leave the picture alone.
      expectStatus(200, await alice.setAliases({ emails: ['alice@example.org'] }));
      expect(await reportOf(environment, 'verify')).toMatchObject({
        code: 1,
        findings: [{ code: 'unadopted_picture', where: key }],
      });
      expect(await adopt(environment)).toMatchObject({ code: 0, avatars: 1, adopted: 1, complete: true });
      expect(jsonOf(expectStatus(200, await alice.get('/info')))).toMatchObject({ version: LEGACY });
      expect(await reportOf(environment, 'verify')).toMatchObject({ code: 0, findings: [] });
    } finally {
      await service.stop();
    }
  });

  it('does not say that nothing is left if an avatar could not be examined', async () => {
    const environment = await backend.environment();
    await leaveUpload(environment, 'alice');
    await leaveUpload(environment, 'bent');
    await openBackend(environment).store(manifestKey('bent'), Buffer.from('{'));
    const report = await adopt(environment);
    expect(report).toMatchObject({ code: 1, adopted: 1, complete: false });
    expect(report.findings).toMatchObject([{ code: 'manifest_unreadable', where: manifestKey('bent') }]);
    expect(await isMarked(environment)).toBe(false);
    await openBackend(environment).delete(manifestKey('bent'));
    expect(await adopt(environment)).toMatchObject({ code: 0, adopted: 1, complete: true });
  });
});

describe('adopt', () => {
  it('refuses a folder that is not there', async () => {
    const environment = { STORAGE_BACKEND: 'local', STORAGE_LOCAL_PATH: '/nonexistent/visage' };
    expect(await visage(environment, 'adopt')).toMatchObject({ code: 2 });
  });
});

describeS3('adopt, while the bucket goes away', () => {
  it('ends with exit code 3, goes on where it was, and has logged what it refused', async () => {
    const direct = await s3Environment();
    for (const id of ['alice', 'bob', 'carol']) await leaveUpload(direct, id);
    // Nobody looks at it again once an older picture is adopted.
    const broken = `avatars/alice/${NEWER}.png`;
    await openBackend(direct).store(broken, Buffer.from('no picture'));
    const { proxy, environment } = await behindProxy(direct);
    const fault = { type: 'error', status: 403, code: 'AccessDenied' } as const;
    proxy.rule({ operation: 'PutObject', key: /^manifests\//, skip: 1, fault, thenAll: true });
    const { code, stderr } = await visage(environment, 'adopt', '--concurrency', '1');
    await proxy.stop();
    expect(code).toBe(3);
    const line = stderr.split('\n').find((line) => line.includes('cannot be adopted'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 40, key: broken });
    expect(await isMarked(direct)).toBe(false);
    expect(await adopt(direct)).toMatchObject({ code: 0, adopted: 2, complete: true });
  });
});

describeRoutes('a move of what an older service left', (from, to) => {
  const setUp = async () => {
    const [there, here] = await Promise.all([from.environment(), to.environment()]);
    const migrate = (...more: string[]) =>
      reportOf<Moved>({ ...there, ...here }, 'migrate', '--from', from.name, '--to', to.name, ...more);
    return { there, here, migrate };
  };

  it('into a storage in use says that adopt has to be run there, and then the running service shows it', async () => {
    const { there, here, migrate } = await setUp();
    const service = await startService({ ...here, CACHE_MAX_AGE_MS: '0' });
    try {
      const alice = new AvatarClient(service.url, 'alice');
      expectStatus(404, await alice.get());
      const key = await leaveUpload(there, 'alice');
      for (const report of [await migrate('--dry-run'), await migrate()]) {
        expect(report).toMatchObject({ code: 1, unadopted: 1, findings: [] });
        expect(report.unfinished).toMatch(/Run visage adopt with the settings of the destination/);
      }
      expect(await isMarked(here)).toBe(true);
      expect(await reportOf(here, 'verify')).toMatchObject({
        code: 1,
        findings: [{ code: 'unadopted_picture', where: key }],
      });
      expect(await adopt(here)).toMatchObject({ code: 0, adopted: 1 });
      expectStatus(200, await alice.get());
      expect(await migrate()).toMatchObject({ code: 0, unadopted: 0, findings: [] });
    } finally {
      await service.stop();
    }
  });

  it('takes along the word that nothing is left, though a picture was refused, but not over pictures of the destination', async () => {
    const { there, here, migrate } = await setUp();
    await leaveUpload(there, 'alice');
    await openBackend(there).store(`avatars/bob/${NEWER}.png`, Buffer.from('no picture'));
    // Nobody has adopted them: a service at the destination does it when somebody asks.
    expect(await migrate()).toMatchObject({ code: 0, unadopted: 2 });
    expect(await isMarked(here)).toBe(false);
    expect(await adopt(there)).toMatchObject({ code: 1, adopted: 1, refused: 1, complete: true });
    // What is no avatar does not keep the word back either.
    await openBackend(there).store('avatars/notes.txt', Buffer.from('?'));
    const own = await leaveUpload(here, 'carol');
    expect(await migrate()).toMatchObject({ unadopted: 1 });
    expect(await isMarked(here)).toBe(false);
    await openBackend(here).delete(own);
    expect(await migrate()).toMatchObject({ unadopted: 1, findings: [{ code: 'unknown_object' }] });
    expect(await isMarked(here)).toBe(true);
  });
});
