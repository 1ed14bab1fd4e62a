import { EventEmitter, once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashEmail } from '../../src/model/alias.js';
import { tagOfAvatar } from '../../src/model/purging.js';
import { type Finding, reportOf, visage } from '../cli/support/program.js';
import { type Answer, send } from '../http/support/client.js';
import { AvatarClient, expectStatus, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { RecordingServer } from '../support/recording-server.js';
import { until } from '../support/until.js';

const TOKEN = 'a-very-secret-token';

/** A CDN that is told by tag, as Fastly's: one request for each. */
const byTag = ({ url }: RecordingServer): Environment => ({
  CDN_PURGE: 'http',
  CDN_HTTP_URL: `${url}/purge/{tag}`,
  CDN_HTTP_HEADERS: JSON.stringify({ 'Fastly-Key': TOKEN }),
});

let api: RecordingServer;
const running: RunningService[] = [];
beforeEach(async () => {
  api = await RecordingServer.start();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.stop()));
  api.stop();
});

const start = async (environment: Environment): Promise<RunningService> => {
  const service = await startService(environment);
  running.push(service);
  return service;
};
const metric = async ({ url }: RunningService, name: string): Promise<number> => {
  const { body } = await send(url, { path: '/metrics' });
  const found = body
    .toString()
    .split('\n')
    .find((line) => line.startsWith(name));
  return Number(found?.slice(name.length));
};
/** The tags of an answer, which have to be the same in both headers. */
const tagsOf = ({ headers }: Answer): string[] | undefined => {
  const keys = headers['surrogate-key'] as string | undefined;
  const tags = headers['cache-tag'] as string | undefined;
  expect(tags?.split(',')).toEqual(keys?.split(' '));
  return tags?.split(',');
};
const outcome = (name: string) => `visage_cdn_purges_total{outcome="${name}"} `;

describe('the tags of answers', () => {
  it('are the same on every answer for an avatar, and do not tell its id', async () => {
    const { url } = await start({
      ...(await local.environment()),
      ...byTag(api),
      AVATAR_DEFAULT_URLS: 'https://www.example.org/',
    });
    const client = new AvatarClient(url, 'alice@example');
    const [hash = '', other = ''] = hashEmail('alice@example.org');
    const drawn = expectStatus(200, await client.get('?default=identicon'));
    const uploaded = expectStatus(201, await client.upload(await numbered(1)));
    expectStatus(200, await client.setAliases({ hashes: [hash] }));
    const { urls } = jsonOf(uploaded) as { urls: Record<string, string> };
    const immutable = new URL(urls['master'] ?? '').pathname;
    const read = (path: string, headers = {}, method = 'GET') => send(url, { method, path, headers });
    const { path } = client;
    const first = expectStatus(200, await read(path));
    const answers = [
      first,
      drawn,
      // From memory.
      expectStatus(200, await read(path)),
      expectStatus(304, await read(path, { 'if-none-match': '*' })),
      expectStatus(304, await read(`${path}?size=32`, { 'if-none-match': '*' })),
      expectStatus(206, await read(path, { range: 'bytes=0-9' })),
      expectStatus(200, await read(path, {}, 'HEAD')),
      expectStatus(200, await read(path.replace('@', '%40'))),
      expectStatus(200, await read(immutable)),
      expectStatus(200, await read(immutable)),
    ];
    const [tag = ''] = tagsOf(first) ?? [];
    expect(tag).toMatch(/^avatar-[0-9a-f]{16}$/);
    for (const answer of answers) expect(tagsOf(answer)).toEqual([tag]);
    const rule = ({ headers }: Answer) => [headers['cache-control'], headers['cdn-cache-control']];
    const current = [
      'public, max-age=0, s-maxage=3600, stale-if-error=86400',
      'max-age=3600, stale-while-revalidate=600, stale-if-error=86400',
    ];
    const immutables = answers.splice(-2);
    for (const answer of answers) expect(rule(answer)).toEqual(current);
    for (const answer of immutables)
      expect(rule(answer)).toEqual(['public, max-age=31536000, immutable', undefined]);

    const byHash = await read(`/avatar/${hash}`);
    const nobody = await read(`/avatar/${other}`);
    const redirect = expectStatus(
      302,
      await read(`/avatar/${other}?d=https%3A%2F%2Fwww.example.org%2Fa.png`),
    );
    expect(tagsOf(byHash)).toEqual([tag, expect.stringMatching(/^hash-[0-9a-f]{16}$/)]);
    expect(tagsOf(nobody)).toEqual([expect.stringMatching(/^hash-[0-9a-f]{16}$/)]);
    expect(tagsOf(redirect)).toEqual(tagsOf(nobody));
    for (const answer of [byHash, nobody, redirect]) expect(rule(answer)).toEqual(current);
    expectStatus(204, await client.delete());
    expect(tagsOf(await read(`/avatar/${hash}`))).toEqual(tagsOf(byHash));

    // Nobody may keep what a purge would not find.
    for (const answer of [
      await read(path),
      await read(`/avatar/${hash}?d=404`),
      await read(`/v1/avatars/${immutable.slice(12)}`.replace('alice', '%61lice')),
      await read(`${path}?default=identicon`.replace('alice', 'alic%65')),
      await read(`/avatar/${hash.toUpperCase()}`),
    ]) {
      expect(rule(answer)).toEqual(['no-store', undefined]);
    }
  });

  it('are purged at once and once more after each change, and an erasure waits for it', async () => {
    const memory = { CACHE_MAX_AGE_MS: '100', CONSTANT_CACHE_UNKNOWN_HASH_MS: '100' };
    const service = await start({ ...(await local.environment()), ...byTag(api), ...memory });
    const client = new AvatarClient(service.url, 'alice');
    const tag = tagsOf(await client.get('?default=identicon'))?.[0] ?? '';
    const hash = hashEmail('alice@example.org')[0] ?? '';
    const hashTag = tagsOf(await send(service.url, { path: `/avatar/${hash}` }))?.[0] ?? '';
    const purged = async <T>(change: () => Promise<T>): Promise<T> => {
      const before = api.about(tag).length;
      const answer = await change();
      await api.gets(before + 1, tag);
      return answer;
    };
    const first = versionOf(expectStatus(201, await purged(async () => client.upload(await numbered(1)))));
    await api.gets(2, tag);
    await until(async () => (await metric(service, 'visage_cdn_purges_waiting ')) === 0, 'no purge to wait');
    expect(api.about(tag)).toHaveLength(2);

    expectStatus(200, await client.upload(await numbered(1)));
    expect(api.about(tag)).toHaveLength(2);
    expectStatus(201, await purged(async () => client.upload(await numbered(2))));
    expectStatus(200, await purged(() => client.restore(first)));
    expectStatus(204, await purged(() => client.delete()));
    expectStatus(200, await purged(() => client.setAliases({ hashes: [hash] })));
    await api.gets(1, hashTag);
    const before = api.about(tag).length;
    const receipt = jsonOf(expectStatus(200, await client.erase())) as object;
    expect(api.about(tag).length).toBeGreaterThan(before);
    expect(receipt).toMatchObject({ aliases: 1, purged: { accepted: true, tags: [tag] } });
    await service.logged(/"accepted":true.*erased an avatar/);
    // A repeated erasure purges again.
    const times = api.about(tag).length;
    expect(jsonOf(await client.erase())).toMatchObject({ objects: 0, purged: { accepted: true } });
    expect(api.about(tag).length).toBeGreaterThan(times);
    for (const { method, url, headers } of api.asked) {
      expect([method, headers['fastly-key']]).toEqual(['POST', TOKEN]);
      expect(url).toMatch(/^\/purge\/(avatar|hash)-[0-9a-f]{16}$/);
    }
    // What waits for its second purge gets it before the process ends.
    const count = api.asked.length;
    expect(await service.stop()).toBe(0);
    expect(api.asked.length).toBeGreaterThan(count);
    expect(service.log()).not.toContain(TOKEN);
  });
});

describe('a hash that another replica knows to stand for nobody', () => {
  it('is purged once more when no replica can know that any more', async () => {
    const environment = {
      ...(await local.environment()),
      CACHE_MAX_AGE_MS: '0',
      CONSTANT_CACHE_UNKNOWN_HASH_MS: '3000',
    };
    const service = await start({ ...environment, ...byTag(api) });
    const other = await start({ ...environment, ...byTag(api) });
    const client = new AvatarClient(service.url, 'alice');
    const tag = tagsOf(await client.get('?default=identicon'))?.[0] ?? '';
    const path = `/avatar/${hashEmail('alice@example.org')[0] ?? ''}`;
    const hashTag = tagsOf(await send(other.url, { path }))?.[0] ?? '';
    // What the CDN would fetch after each purge, if it asked the other replica.
    const fetched: (string[] | undefined)[] = [];
    api.answering = async ({ url }) => {
      if (url.endsWith(hashTag)) fetched.push(tagsOf(await send(other.url, { path })));
      return { status: 200 };
    };
    expectStatus(200, await client.setAliases({ emails: ['alice@example.org'] }));
    // The change of a picture has its own repetition, and spares none of the hash.
    await api.gets(2, hashTag);
    expectStatus(201, await client.upload(await numbered(1)));
    await until(() => fetched.at(-1)?.includes(tag) === true, 'the CDN to get the picture');
    expect(fetched[0]).toEqual([hashTag]);
    // Before the other replica, which its last purges would ask.
    expect(await service.stop()).toBe(0);
  });
});

describe('a service without a CDN', () => {
  it('has no tags on its answers, and purges nothing', async () => {
    const service = await start({ ...(await local.environment()), ...byTag(api), CDN_PURGE: 'none' });
    const client = new AvatarClient(service.url, 'alice');
    expectStatus(201, await client.upload(await numbered(1)));
    expect(tagsOf(expectStatus(200, await client.get()))).toBeUndefined();
    expect(Object.keys(jsonOf(await client.erase()) as object)).not.toContain('purged');
    expect((await send(service.url, { path: '/metrics' })).body.toString()).not.toContain('visage_cdn');
    expect(await service.stop()).toBe(0);
    expect(api.asked).toEqual([]);
  });
});

describe('a CDN that does not do what it is told', () => {
  it('is asked again until it accepts', async () => {
    api.answering = () => ({ status: api.asked.length > 2 ? 200 : 503 });
    const service = await start({ ...(await local.environment()), ...byTag(api), CACHE_MAX_AGE_MS: '0' });
    const client = new AvatarClient(service.url, 'alice');
    const { purged } = jsonOf(await client.erase()) as { purged: { accepted: boolean; tags: string[] } };
    expect(purged.accepted).toBe(false);
    await until(async () => (await metric(service, outcome('accepted'))) > 0, 'a purge');
    expect(new Set(api.asked.map(({ url }) => url))).toEqual(new Set([`/purge/${purged.tags.join()}`]));
    expect(await metric(service, outcome('failed'))).toBe(2);
    // One line for one cause.
    expect(service.log().match(/a purge of the CDN failed/g)).toHaveLength(1);
  });

  it('does not hold up an upload, and an erasure only for so long', async () => {
    api.answering = () => 'hang';
    const service = await start({
      ...(await local.environment()),
      ...byTag(api),
      CONSTANT_CDN_TIMEOUT_MS: '300',
    });
    const client = new AvatarClient(service.url, 'alice');
    expectStatus(201, await client.upload(await numbered(1)));
    expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ purged: { accepted: false } });
    await service.logged(/did not answer within 300 ms.*Check CDN_HTTP_URL, the network/);
    await service.logged(/"accepted":false.*erased an avatar/);
  });

  it('has its refusal in the log, with advice and without the token, and is given up in the end', async () => {
    api.answering = () => ({ status: 403, body: TOKEN });
    const service = await start({
      ...(await local.environment()),
      ...byTag(api),
      CONSTANT_CDN_ATTEMPTS: '2',
    });
    const client = new AvatarClient(service.url, 'alice');
    expectStatus(201, await client.upload(await numbered(1)));
    await service.logged(/answered 403 to a purge.*Check the token in CDN_HTTP_HEADERS/);
    await service.logged(/"id":"alice","failures":2.*the CDN was not purged after a change/);
    expect(await metric(service, outcome('given_up'))).toBe(1);
    expect(service.log()).not.toContain(TOKEN);
  });

  it('is asked again for an erasure, however often it failed before', async () => {
    api.answering = () => ({ status: 503 });
    const service = await start({
      ...(await local.environment()),
      ...byTag(api),
      CONSTANT_CDN_ATTEMPTS: '2',
      CACHE_MAX_AGE_MS: '0',
    });
    const client = new AvatarClient(service.url, 'alice');
    expectStatus(201, await client.upload(await numbered(1)));
    await until(async () => (await metric(service, outcome('failed'))) === 1, 'a failure');
    expect(jsonOf(await client.erase())).toMatchObject({ purged: { accepted: false } });
    expect(await metric(service, outcome('given_up'))).toBe(0);
    api.answering = () => ({ status: 200 });
    await until(async () => (await metric(service, outcome('accepted'))) > 0, 'a purge');
    expect(await metric(service, outcome('given_up'))).toBe(0);
  });

  it('is told of one avatar at a time, of several changes at once, and of no more than may wait', async () => {
    const gate = new EventEmitter();
    const held = once(gate, 'open').then(() => ({ status: 200 }));
    api.answering = () => held;
    const limits = { CONSTANT_CDN_CONCURRENCY: '1', CONSTANT_CDN_QUEUE: '2', CACHE_MAX_AGE_MS: '0' };
    const service = await start({ ...(await local.environment()), ...byTag(api), ...limits });
    const clients = ['a', 'b', 'c', 'd'].map((id) => new AvatarClient(service.url, id));
    const tags = await Promise.all(
      clients.map(async (client) => tagsOf(await client.get('?default=identicon'))?.[0] ?? ''),
    );
    const [a, b, c, d] = clients as [AvatarClient, AvatarClient, AvatarClient, AvatarClient];
    expectStatus(201, await a.upload(await numbered(1)));
    await api.gets(1, tags[0] ?? '');
    for (const i of [1, 2, 3, 4]) expectStatus(201, await b.upload(await numbered(i)));
    expectStatus(201, await c.upload(await numbered(1)));
    expectStatus(201, await d.upload(await numbered(1)));
    await service.logged(/too many purges wait for the CDN/);
    expect(await metric(service, outcome('dropped'))).toBe(1);
    expect(await metric(service, 'visage_cdn_purges_waiting ')).toBe(2);
    expect(api.asked).toHaveLength(1);
    gate.emit('open');
    await until(async () => (await metric(service, 'visage_cdn_purges_waiting ')) === 0, 'all purges');
    expect(tags.map((tag) => api.about(tag).length > 0)).toEqual([true, true, true, false]);
    // The changes of b share one purge, and one that repeats it unless the first came late.
    expect(api.about(tags[1] ?? '').length).toBeLessThanOrEqual(2);
  });
});

describe('visage erase with a CDN', () => {
  const listOf = async (...ids: string[]) => {
    const path = join(await mkdtemp(join(tmpdir(), 'visage-list-')), 'erasures.csv');
    await writeFile(path, ids.map((id) => `${id},${new Date().toISOString()}\n`).join(''));
    return path;
  };
  const erase = async (environment: Environment, ...ids: string[]) =>
    reportOf<{ purged?: number; findings: Finding[] }>(environment, 'erase', '--list', await listOf(...ids));

  it('purges each avatar, and names those that the CDN did not accept', async () => {
    const environment = { ...(await local.environment()), CACHE_MAX_AGE_MS: '0' };
    const service = await start(environment);
    expectStatus(201, await new AvatarClient(service.url, 'alice').upload(await numbered(1)));
    api.answering = ({ url }) => ({ status: url.endsWith(tagOfAvatar('alice')) ? 500 : 200 });
    const report = await erase({ ...environment, ...byTag(api) }, 'alice', 'bob');
    expect(report).toMatchObject({ code: 1, erasures: 2, purged: 1 });
    expect(report.findings.map(({ code }) => code)).toEqual(['not_purged']);
    api.answering = () => ({ status: 200 });
    expect(await erase({ ...environment, ...byTag(api) }, 'alice')).toMatchObject({ code: 0, purged: 1 });
  });

  it('waits for every purge, however many are before it', async () => {
    api.answering = async () => {
      await sleep(200);
      return { status: 200 };
    };
    const slow = {
      ...byTag(api),
      CONSTANT_CDN_CONCURRENCY: '1',
      CONSTANT_CDN_TIMEOUT_MS: '700',
      CACHE_MAX_AGE_MS: '0',
    };
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    const report = await erase({ ...(await local.environment()), ...slow }, ...ids);
    expect(report).toMatchObject({ code: 0, erasures: ids.length, purged: ids.length, findings: [] });
  });

  it('purges once more at the end what the CDN refused', async () => {
    const environment = { ...(await local.environment()), ...byTag(api), CACHE_MAX_AGE_MS: '0' };
    api.answering = () => ({ status: api.asked.length > 1 ? 200 : 503 });
    expect(await erase(environment, 'alice')).toMatchObject({ code: 0, purged: 1, findings: [] });
    api.answering = () => ({ status: 503 });
    const before = api.asked.length;
    const { code, stderr } = await visage(environment, 'erase', '--list', await listOf('alice'));
    expect(code).toBe(1);
    expect(api.asked.length - before).toBeGreaterThanOrEqual(2);
    expect(stderr).toMatch(/a purge of the CDN failed: it is tried again/);
    expect(stderr).toMatch(/the CDN was not purged after a change/);
  });
});

describeS3('a change that waited in the outbox', () => {
  it('is purged when it is carried out, and an erasure at once', async () => {
    const { proxy, environment } = await behindProxy(await s3Environment());
    const service = await start({
      ...environment,
      ...byTag(api),
      OUTBOX_PATH: await mkdtemp(join(tmpdir(), 'visage-outbox-')),
      CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '100',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '100',
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
    });
    const client = new AvatarClient(service.url, 'alice');
    const tag = tagsOf(await client.get('?default=identicon'))?.[0] ?? '';
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    expectStatus(202, await client.upload(await numbered(1)));
    const receipt = jsonOf(expectStatus(202, await client.erase()));
    expect(receipt).toMatchObject({ pending: true, purged: { accepted: true, tags: [tag] } });
    expectStatus(202, await client.upload(await numbered(2)));
    const before = api.about(tag).length;
    proxy.clear();
    await until(async () => (await metric(service, 'visage_outbox_entries ')) === 0, 'the replay');
    await api.gets(before + 1, tag);
    expectStatus(200, await client.get());
    await proxy.stop();
  });
});
