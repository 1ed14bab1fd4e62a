import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { local } from '../support/local.js';
import type { Environment } from '../support/service.js';
import { problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';

const UNAVAILABLE = { status: 503, code: 'storage_unavailable' };
describe('a local root that disappears while the service runs', () => {
  let harness: Harness;
  let root: string;
  let count = 0;

  beforeAll(async () => {
    const environment = await local.environment();
    root = environment['STORAGE_LOCAL_PATH'] ?? '';
    const forgetful = { CACHE_MAX_AGE_MS: '0', CACHE_BYTES: '0', CONSTANT_HEALTH_MAX_AGE_MS: '0' };
    harness = await Harness.start({ ...environment, ...forgetful });
  });
  afterAll(() => harness.stop());

  it.each<[name: string, replace: (root: string) => Promise<unknown>, left: string[] | undefined]>([
    ['is deleted', () => Promise.resolve(), undefined],
    ['leaves an empty folder, as a disk that is unmounted does', (root) => mkdir(root), []],
    [
      'leaves a folder that the service once began to use',
      async (root) => {
        for (const name of ['.tmp', '.locks', 'avatars', 'manifests'])
          await mkdir(`${root}/${name}`, { recursive: true });
      },
      ['.locks', '.tmp', 'avatars', 'manifests'],
    ],
  ])('%s: is an outage, not an empty storage, and accepts no writes', async (_, replace, left) => {
    const path = `/v1/avatars/me-${++count}`;
    expect((await harness.put(path, { body: await picture('png') })).status).toBe(201);
    const { urls } = JSON.parse((await harness.send({ path: `${path}/info` })).body.toString()) as {
      urls: { master: string };
    };
    const master = new URL(urls.master).pathname;

    const logged = harness.service.log().length;
    const away = `${root}-away`;
    await rename(root, away);
    await replace(root);
    const requests = [
      () => harness.send({ path }),
      () => harness.send({ path: `${path}/exists` }),
      () => harness.send({ path: `${path}/url` }),
      () => harness.send({ path: '/v1/avatars/nobody' }),
      () => harness.send({ path: master }),
      () => harness.send({ method: 'DELETE', path }),
      async () => harness.put(path, { body: await picture('jpeg') }),
      async () => harness.put('/v1/avatars/another', { body: await picture('png') }),
    ];
    for (const request of requests) expect(problemOf(await request())).toEqual(UNAVAILABLE);
    expect((await harness.send({ path: '/health/ready' })).status).toBe(503);
    // The log has a pipe of its own and may arrive after the answer.
    while (!harness.service.log().includes('"msg":"the storage cannot be used"', logged)) await sleep(50);
    expect(await readdir(root, { recursive: true }).catch(() => undefined)).toEqual(left);

    await rm(root, { recursive: true, force: true });
    await rename(away, root);
    expect((await harness.send({ path: '/health/ready' })).status).toBe(200);
    expect((await harness.send({ path })).status).toBe(200);
    await harness.takesUploads();
  });

  it('creates a root that is absent at the start, closed to other users of the machine', async () => {
    const environment: Environment = { ...(await local.environment()), CACHE_MAX_AGE_MS: '0' };
    const deeper = `${environment['STORAGE_LOCAL_PATH'] ?? ''}/not/yet`;
    const fresh = await Harness.start({ ...environment, STORAGE_LOCAL_PATH: deeper });
    expect(problemOf(await fresh.send({ path: '/v1/avatars/me' })).code).toBe('avatar_not_found');
    await fresh.takesUploads();
    const names = await readdir(deeper, { recursive: true });
    expect(names.some((name) => name.includes('/master.'))).toBe(true);
    const open = (await Promise.all([...names, '.'].map((name) => modeOf(join(deeper, name))))).filter(
      ({ mode }) => (mode & 0o077) !== 0,
    );
    expect(open).toEqual([]);
    await fresh.stop();
  });
});

async function modeOf(path: string): Promise<{ path: string; mode: number }> {
  return { path, mode: (await stat(path)).mode };
}
