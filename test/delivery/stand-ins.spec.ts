import { createHash } from 'node:crypto';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { manifestKey } from '../../src/model/keys.js';
import { type Answer, problemOf, send } from '../http/support/client.js';
import { type Losable, startLosable } from '../support/away.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { readMetrics, total } from '../support/scrape.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

const ELSEWHERE = 'https://cdn.example/nobody.png';
const URL_DEFAULT = encodeURIComponent(ELSEWHERE);
const AWAY = { status: 503, code: 'storage_unavailable' };
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** The paths of somebody, up to the value of the default. */
const pathsOf = (name: string) => [`/v1/avatars/${name}?size=64&default=`, `/avatar/${hashOf(name)}?s=64&d=`];

const standInsOf = async ({ url }: RunningService) => {
  const { body } = await send(url, { path: '/metrics' });
  return total(readMetrics(body.toString()), 'visage_storage_stand_ins_total');
};

describe.each(backends)('a default while the $name storage is away', (backend) => {
  let losable: Losable;
  let lost = false;
  let regained = 0;
  const lose = async () => {
    if (!lost) await losable.loseStorage();
    lost = true;
  };
  const regain = async () => {
    if (!lost) return;
    lost = false;
    await losable.regainStorage();
    await later(`/v1/avatars/anybody-${++regained}?default=blank`);
  };
  const get = (path: string, headers: Record<string, string> = {}) =>
    send(losable.service.url, { path, headers });

  beforeAll(async () => {
    losable = await startLosable(backend, {
      AVATAR_DEFAULT_URLS: ELSEWHERE,
      CACHE_MAX_AGE_MS: '1000',
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '100',
    });
  });
  beforeEach(regain);
  afterAll(() => losable.stop());

  /** What is answered as soon as the storage is there again, and the circuit has noticed. */
  const later = async (path: string): Promise<Answer> => {
    for (;;) {
      const answer = await get(path);
      if (answer.headers['cache-control'] !== 'no-store') return answer;
    }
  };

  it.each(PLACEHOLDER_KINDS)('is drawn, and nobody keeps it: %s', async (kind) => {
    await lose();
    const paths = pathsOf(`away-${kind}`).map((path) => `${path}${kind}`);
    const drawn: Buffer[] = [];
    for (const path of paths) {
      for (let i = 0; i < 2; i++) {
        const answer = expectStatus(200, await get(path));
        expect(answer.headers['cache-control']).toBe('no-store');
        drawn.push(answer.body);
        const head = await send(losable.service.url, { method: 'HEAD', path });
        expect([head.status, head.headers.etag]).toEqual([200, answer.headers.etag]);
      }
    }
    await regain();
    for (const [i, path] of paths.entries()) {
      const { status, body } = await later(path);
      expect([status, body]).toEqual([200, drawn[2 * i]]);
      expect(body).toEqual(drawn[2 * i + 1]);
    }
  });

  it('is elsewhere, and nobody keeps the way there', async () => {
    await lose();
    for (const path of pathsOf('elsewhere')) {
      const { status, headers } = await get(`${path}${URL_DEFAULT}`);
      expect([status, headers.location, headers['cache-control']]).toEqual([302, ELSEWHERE, 'no-store']);
    }
  });

  it('is never 404, which is what would be kept', async () => {
    await lose();
    const [stable = '', gravatar = ''] = pathsOf('nothing');
    for (const path of [`${stable}404`, '/v1/avatars/nothing', `${gravatar}404`]) {
      const answer = await get(path);
      expect([path, problemOf(answer)]).toEqual([path, AWAY]);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
    // These clients are always given something.
    expectStatus(200, await get(`/avatar/${hashOf('nothing')}`));
  });

  it('is an error to caches that have a copy of the picture, and shown by browsers all the same', async () => {
    await lose();
    for (const path of pathsOf('copied')) {
      const { headers: drawn, body } = expectStatus(200, await get(`${path}retro`));
      const { etag = '' } = drawn;
      const before = await standInsOf(losable.service);
      for (const headers of [
        { 'if-none-match': '"019abc/64.webp"' },
        { 'if-none-match': 'W/"a", "b"' },
        { 'if-match': '"019abc/64.webp"' },
        { 'if-range': '"019abc/64.webp"', range: 'bytes=10-' },
      ] as Record<string, string>[]) {
        const answer = await get(`${path}retro`, headers);
        expect([headers, answer.status, answer.body]).toEqual([headers, 503, body]);
        expect(answer.headers).toMatchObject({
          'content-type': drawn['content-type'],
          'cache-control': 'no-store',
          'retry-after': expect.stringMatching(/^[1-9]/) as string,
        });
        const head = await send(losable.service.url, { method: 'HEAD', path: `${path}retro`, headers });
        expect([headers, head.status]).toEqual([headers, 503]);
        expect(problemOf(await get(`${path}${URL_DEFAULT}`, headers))).toEqual(AWAY);
      }
      expect((await standInsOf(losable.service)) - before).toBe(12);
      for (const [headers, status] of [
        [{ 'if-none-match': etag }, 304],
        [{ 'if-none-match': `"x", ${etag}` }, 304],
        [{ 'if-match': etag }, 200],
        [{ 'if-match': '*' }, 200],
        [{ 'if-range': etag, range: 'bytes=0-9' }, 206],
      ] as [Record<string, string>, number][]) {
        const answer = await get(`${path}retro`, headers);
        expect([headers, answer.status, answer.headers['cache-control']]).toEqual([
          headers,
          status,
          'no-store',
        ]);
      }
      expect((await standInsOf(losable.service)) - before).toBe(17);
    }
  });

  it('gives way to the picture as soon as the storage is back', async () => {
    const client = new AvatarClient(losable.service.url, 'back');
    expectStatus(201, await client.upload(await numbered(1)));
    const { etag } = (await client.get('?default=retro')).headers;
    await lose();
    // Known here, so it is no default.
    expect((await client.get('?default=retro')).headers.etag).toBe(etag);
    expectStatus(200, await get(`${pathsOf('fresh')[0] ?? ''}retro`));
    await regain();
    const fresh = new AvatarClient(losable.service.url, 'fresh');
    await later('/v1/avatars/fresh?default=retro');
    expectStatus(201, await fresh.upload(await numbered(2)));
    expect((await get(`${pathsOf('fresh')[0] ?? ''}retro`)).headers.etag).not.toMatch(/retro/);
  });

  it('takes the place of a picture that is known, but not in memory', async () => {
    const client = new AvatarClient(losable.service.url, 'known');
    expectStatus(201, await client.upload(await numbered(1)));
    expectStatus(200, await client.setAliases({ hashes: [hashOf('known')] }));
    const [etag = ''] = await Promise.all(
      pathsOf('known').map(async (path) => (await get(`${path}retro`)).headers.etag ?? ''),
    );
    const forgetful = await startService({ ...losable.environment, CACHE_MAX_AGE_MS: '0' });
    const ask = (path: string, headers: Record<string, string> = {}) =>
      send(forgetful.url, { path, headers });
    try {
      expectStatus(200, await ask('/v1/avatars/known/info'));
      await get(`/avatar/${hashOf('known')}`);
      await lose();
      const [path = ''] = pathsOf('known');
      const drawn = expectStatus(200, await ask(`${path}retro`));
      expect(drawn.headers).toMatchObject({
        etag: expect.stringMatching(/^"retro-/) as string,
        'cache-control': 'no-store',
      });
      expect((await ask(`${path}${URL_DEFAULT}`)).status).toBe(302);
      expect(problemOf(await ask(`${path}404`))).toEqual(AWAY);
      const known = await ask(`${path}retro`, { 'if-none-match': etag });
      expect([known.status, known.headers.etag]).toEqual([304, etag]);
      const another = await ask(`${path}retro`, { 'if-none-match': '"another"' });
      expect([another.status, another.body]).toEqual([503, drawn.body]);
      await forgetful.logged(/a default is shown in place of a picture: the storage is away/);
    } finally {
      await forgetful.stop();
    }
  });
});

describe('a default', () => {
  it('that was left out of the log is counted there at the latest when the service stops', async () => {
    const losable = await startLosable(local);
    await losable.loseStorage();
    for (let i = 0; i < 3; i++)
      expectStatus(200, await send(losable.service.url, { path: '/v1/avatars/a?default=mp' }));
    await losable.stop();
    expect(losable.service.log()).toMatch(/"leftOut":2,.*more defaults were shown/);
  });

  it('takes the place of nothing that is damaged', async () => {
    const environment = { ...(await local.environment()), AVATAR_DEFAULT: 'mm' };
    await openBackend(environment).store(manifestKey('damaged'), Buffer.from('{'));
    const service = await startService(environment);
    for (const query of ['', '?default=retro', '?default=404']) {
      const answer = await send(service.url, { path: `/v1/avatars/damaged${query}` });
      expect(problemOf(answer)).toEqual({ status: 503, code: 'manifest_unreadable' });
    }
    await service.stop();
  });
});

describeS3('a default, and a bucket', () => {
  let environment: Environment;
  let proxy: FaultProxy;
  const services: RunningService[] = [];
  const startAgain = async (settings: Environment) => {
    const service = await startService({ ...environment, ...settings });
    services.push(service);
    return service;
  };
  const start = async (settings: Environment) => {
    const usual = { AVATAR_DEFAULT: 'mp', STORAGE_FALLBACK: 'none', CONSTANT_STORAGE_S3_ATTEMPTS: '1' };
    ({ proxy, environment } = await behindProxy({ ...(await s3Environment()), ...usual }));
    return startAgain(settings);
  };
  afterEach(async () => {
    await Promise.all(services.splice(0).map((service) => service.stop()));
    await proxy.stop();
  });

  it('is drawn for all of 500 at the same time while the bucket never answers', async () => {
    // A process that takes 500 requests at once must not look as if it had had no time for an answer.
    const service = await start({ STORAGE_S3_TIMEOUT_MS: '8000', STORAGE_S3_CONCURRENCY: '64' });
    proxy.clear();
    proxy.rule({ fault: { type: 'black-hole' } });
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, n) => send(service.url, { path: `/v1/avatars/id-${n}?size=16` })),
    );
    const all = answers.map(({ status, headers }) => `${status} ${headers['cache-control'] ?? ''}`);
    expect([...new Set(all)]).toEqual(['200 no-store']);
    expect(await standInsOf(service)).toBe(500);
    // Those that had their turn before the fifth failure opened the circuit, and none after it.
    expect(proxy.count({ operation: 'GetObject', key: /^manifests/ })).toBeLessThan(64 + 5);
  });
});
