import sharp from 'sharp';
import { hashEmail } from '../../src/model/alias.js';
import { AvatarClient, expectStatus, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { type Answer, send } from '../http/support/client.js';
import { startLosable } from '../support/away.js';
import { backends } from '../support/backends.js';
import { local } from '../support/local.js';
import { freePort } from '../support/ports.js';
import { type RunningService, startService, startServices } from '../support/service.js';
import { needs } from '../support/tools.js';
import { type Nginx, startNginx } from './support/nginx.js';
import { until } from '../support/until.js';

/** Copies that are not purged stay for the whole test. */
const KEPT = { CDN_MAX_AGE: '100000' };

const purging = (nginx: string) => ({
  ...KEPT,
  CDN_PURGE: 'http',
  CDN_HTTP_METHOD: 'PURGE',
  CDN_HTTP_URL: `${nginx}{path}*`,
});

needs('nginx')('a caching nginx in front of the service', () => {
  let service: RunningService;
  let nginx: Nginx;
  let count = 0;

  beforeAll(async () => {
    const port = await freePort();
    service = await startService({
      ...(await local.environment()),
      ...purging(`http://127.0.0.1:${port}`),
      CONSTANT_CACHE_UNKNOWN_HASH_MS: '1000',
    });
    nginx = await startNginx(service.url, port);
  });
  afterAll(async () => {
    await nginx.stop();
    await service.stop();
  });

  /** Ids whose paths are written in several ways. */
  const avatar = () => {
    const id = `Some.one@${++count}`;
    return { id, client: new AvatarClient(service.url, encodeURIComponent(id)) };
  };

  /** Reads until nginx answers from its cache. */
  const cached = async (path: string, headers = {}): Promise<Answer> => {
    let answer: Answer | undefined;
    await until(async () => {
      answer = await send(nginx.url, { path, headers });
      return answer.headers['x-cache'] === 'HIT';
    }, `${path} in the cache`);
    if (!answer) throw new Error('not read');
    return answer;
  };
  /** Waits until an answer is another one, and gives it. */
  const changed = async (path: string, before: Answer): Promise<Answer> => {
    let answer = before;
    await until(async () => {
      answer = await send(nginx.url, { path });
      return answer.status !== before.status || !answer.body.equals(before.body);
    }, `${path} to change`);
    return answer;
  };

  it('shows the new picture after a change, a restore and a delete, under each spelling of its URL', async () => {
    const { id, client } = avatar();
    const paths = [`/v1/avatars/${id}`, `${client.path}?size=32`, `${client.path}?default=identicon`];
    const drawn = await cached(paths[2] ?? '');
    const first = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    const one = await changed(paths[2] ?? '', drawn);
    expect(one.headers.etag).not.toBe(drawn.headers.etag);
    const before = await Promise.all(paths.map((path) => cached(path)));
    expectStatus(201, await client.upload(await numbered(2)));
    const second = await Promise.all(paths.map((path, i) => changed(path, before[i] ?? drawn)));
    expect(second.map(({ status }) => status)).toEqual([200, 200, 200]);
    expectStatus(200, await client.restore(first));
    const restored = await Promise.all(paths.map((path, i) => changed(path, second[i] ?? drawn)));
    expect(restored.map(({ body }) => body)).toEqual(before.map(({ body }) => body));
    expectStatus(204, await client.delete());
    const deleted = await Promise.all(paths.map((path, i) => changed(path, restored[i] ?? drawn)));
    expect(deleted.map(({ status }) => status)).toEqual([404, 404, 200]);
    expect(deleted[2]?.body).toEqual(drawn.body);
  });

  it('takes in a large upload, and does not show what is for operators', async () => {
    const create = { width: 1000, height: 700, channels: 3, background: 'teal' } as const;
    const body = await sharp({ create }).png({ compressionLevel: 0 }).toBuffer();
    expect(body.length).toBeGreaterThan(2_000_000);
    expectStatus(201, await new AvatarClient(nginx.url, `large${++count}`).upload(body));
    for (const path of ['/metrics', '/health/ready', '/health/live']) {
      expect([path, (await send(nginx.url, { path })).status]).toEqual([path, 404]);
    }
  });

  it('has nothing any more once an erasure is answered: no immutable URL, no hash, no variant', async () => {
    const { client } = avatar();
    const [hash = ''] = hashEmail(`${count}@example.org`);
    const uploaded = expectStatus(201, await client.upload(await numbered(3)));
    expectStatus(200, await client.setAliases({ hashes: [hash] }));
    const { urls } = jsonOf(uploaded) as { urls: Record<string, string> };
    const paths = [...Object.values(urls).map((url) => new URL(url).pathname), client.path];
    const drawing = await cached(`/avatar/${hash}?d=identicon&f=y`);
    for (const path of paths)
      for (const accept of ['image/webp', 'image/png']) await cached(path, { accept });
    const shown = await cached(`/avatar/${hash}.png?d=identicon`);
    // The repeated purges of the upload and the alias are over: from here on only the erasure purges.
    await until(
      async () => /^visage_cdn_purges_waiting 0$/m.test(await metrics(service)),
      'no purge to wait',
    );
    for (const path of paths)
      for (const accept of ['image/webp', 'image/png']) await cached(path, { accept });
    expect((await cached(`/avatar/${hash}.png?d=identicon`)).body).toEqual(shown.body);

    const receipt = jsonOf(expectStatus(200, await client.erase()));
    expect(receipt).toMatchObject({ aliases: 1, purged: { accepted: true } });
    for (const path of paths) {
      for (const accept of ['image/webp', 'image/png']) {
        const answer = await send(nginx.url, { path, headers: { accept } });
        expect([path, answer.status]).toEqual([path, 404]);
      }
    }
    const now = await send(nginx.url, { path: `/avatar/${hash}.png?d=identicon` });
    expect(now.status).toBe(200);
    expect(now.body).toEqual(drawing.body);
    // Keys of the cache are decoded; the service is not reached by a spelling that a purge would miss, and so it is not kept.
    expect(
      (await send(service.url, { path: client.path.replace('S', '%53') })).headers['cache-control'],
    ).toBe('no-store');
  });

  it('shows the other avatar once a hash stands for it', async () => {
    const [one, two] = [avatar(), avatar()];
    const [hash = ''] = hashEmail(`${count}@example.org`);
    const path = `/avatar/${hash}`;
    const nobody = await cached(path);
    expectStatus(201, await one.client.upload(await numbered(4)));
    expectStatus(201, await two.client.upload(await numbered(5)));
    expectStatus(200, await one.client.setAliases({ hashes: [hash] }));
    const first = await changed(path, nobody);
    await cached(path);
    expectStatus(200, await two.client.setAliases({ hashes: [hash] }));
    const second = await changed(path, first);
    expect(second.headers.etag).not.toBe(nobody.headers.etag);
    await cached(path);
    expectStatus(200, await two.client.setAliases({ hashes: [] }));
    expect((await changed(path, second)).body).toEqual(nobody.body);
  });
});

needs('nginx')('a caching nginx that fetches from a replica which does not know of a change yet', () => {
  it('drops the old picture once that replica knows', async () => {
    const environment = await local.environment();
    const port = await freePort();
    const replica = { ...environment, ...purging(`http://127.0.0.1:${port}`) };
    const [here, stale] = (await startServices([replica, replica])) as [RunningService, RunningService];
    const nginx = await startNginx(stale.url, port);
    const read = () => send(nginx.url, { path: '/v1/avatars/alice' });
    const client = new AvatarClient(here.url, 'alice');
    expectStatus(201, await client.upload(await numbered(1)));
    expectStatus(200, await read());
    const purged = async () => Number(/accepted"\} (\d+)/.exec(await metrics(here))?.[1]);
    const purges = await purged();
    expectStatus(201, await client.upload(await numbered(2)));
    await until(async () => (await purged()) > purges, 'the first purge');
    // The old picture, unless the test is slow: for CACHE_MAX_AGE_MS the replica believes what it knows.
    const copy = await read();
    const again = await read();
    expect([again.headers['x-cache'], again.body]).toEqual(['HIT', copy.body]);
    const { body } = await send(here.url, { path: '/v1/avatars/alice' });
    await until(async () => (await read()).body.equals(body), 'the new picture');
    await nginx.stop();
    await Promise.all([here.stop(), stale.stop()]);
  });
});

async function metrics({ url }: RunningService): Promise<string> {
  return (await send(url, { path: '/metrics' })).body.toString();
}

needs('nginx')('a caching nginx that nobody purges', () => {
  it('asks for each reader, and shows a new picture at once', async () => {
    const service = await startService(await local.environment());
    const nginx = await startNginx(service.url, await freePort());
    const client = new AvatarClient(nginx.url, 'alice');
    const read = async () => {
      const { headers } = expectStatus(200, await client.get('?size=32&default=mp'));
      return { etag: headers.etag, cache: headers['x-cache'] };
    };
    const drawn = await read();
    const version = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    expect(drawn.etag).not.toContain(version);
    for (let time = 0; time < 2; time++) {
      expect(await read()).toEqual({ etag: expect.stringContaining(version) as string, cache: 'MISS' });
    }
    await nginx.stop();
    await service.stop();
  });
});

needs('nginx').each(backends)('a caching nginx while the $name storage is away', (backend) => {
  it('goes on showing the picture, and takes no default in its place', async () => {
    // Its copies have the headers of a CDN that is purged, and no late purge takes them away.
    const environment = { ...purging('http://127.0.0.1:9'), CDN_MAX_AGE: '1', CACHE_MAX_STALE_MS: '0' };
    const losable = await startLosable(backend, environment);
    const nginx = await startNginx(losable.service.url, await freePort());
    try {
      expectStatus(201, await new AvatarClient(losable.service.url, 'alice').upload(await numbered(1)));
      const read = () => send(nginx.url, { path: '/v1/avatars/alice?default=initials' });
      const { body } = expectStatus(200, await read());
      await losable.loseStorage();
      // A default is all that the service has.
      const asked = await send(losable.service.url, { path: '/v1/avatars/alice?default=initials' });
      expect([asked.status, asked.headers['cache-control']]).toEqual([200, 'no-store']);
      await until(async () => {
        const answer = expectStatus(200, await read());
        expect(answer.body).toEqual(body);
        return answer.headers['x-cache'] === 'STALE';
      }, 'the copy to be stale');
    } finally {
      await nginx.stop();
      await losable.stop();
    }
  });
});
