import sharp from 'sharp';
import { AvatarClient, expectStatus, idOf, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import type { Backend } from '../support/local.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { storeCalls } from '../support/scrape.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { until } from '../support/until.js';

const created = async (client: AvatarClient, i: number) =>
  versionOf(expectStatus(201, await client.upload(await numbered(i))));
const found = async (client: AvatarClient, suffix = '') => expectStatus(200, await client.get(suffix));

const ELSEWHERE = 'https://cdn.example/nobody.png';
const SMALL = '?size=32&format=webp';
const RENDITION = 'avatars/ID/VERSION/32.webp';
const GET_MANIFEST = 'GetObject manifests/ID.json';
const PUT_MANIFEST = 'PutObject manifests/ID.json';
const PUT_MASTER = 'PutObject avatars/ID/VERSION/master.jpeg';
const LIST = 'ListObjectsV2 avatars/ID/';
const UPLOAD = [GET_MANIFEST, PUT_MASTER, PUT_MANIFEST];
const ERASURE = [GET_MANIFEST, PUT_MANIFEST, LIST, 'DeleteObjects '];
const COLD = [
  GET_MANIFEST,
  `GetObject ${RENDITION}`,
  'GetObject avatars/ID/VERSION/master.jpeg',
  `PutObject ${RENDITION}`,
  GET_MANIFEST,
];

const GET_ALIAS = 'GetObject aliases/HASH.json';
/** With one hash. */
const ERASURE_WITH_ALIAS = [
  ...[GET_MANIFEST, GET_ALIAS, 'PutObject aliases/HASH.json', PUT_MANIFEST],
  ...[GET_MANIFEST, GET_ALIAS, LIST, 'DeleteObject avatars/ID/VERSION/master.jpeg'],
];

interface Change {
  name: string;
  /** How many versions the avatar has before. */
  before: number;
  /** In their order, one after the other. */
  calls: string[];
  run: (client: AvatarClient) => Promise<unknown>;
}

const CHANGES: Change[] = [
  { name: 'a first upload', before: 0, calls: UPLOAD, run: (client) => created(client, 1) },
  { name: 'an upload that replaces', before: 1, calls: UPLOAD, run: (client) => created(client, 2) },
  {
    name: 'a delete',
    before: 1,
    calls: [GET_MANIFEST, PUT_MANIFEST],
    run: async (client) => expectStatus(204, await client.delete()),
  },
  {
    name: 'an erasure of two versions',
    before: 2,
    calls: ERASURE,
    run: async (client) => expectStatus(200, await client.erase()),
  },
];

describe.each(backends)('the calls to the store on $name', (backend) => {
  let proxy: FaultProxy | undefined;
  let environment: Environment;
  /** Trusts a manifest for an hour. */
  let trusting: RunningService;
  /** Does so as well, and has read nothing yet. */
  let stranger: RunningService;
  /** Trusts no manifest, as if CACHE_MAX_AGE_MS were always over. */
  let asking: RunningService;
  let count = 0;

  beforeAll(async () => {
    ({ proxy, environment } = await counted(backend));
    [trusting, stranger, asking] = (await startServices([
      environment,
      environment,
      { ...environment, CACHE_MAX_AGE_MS: '0' },
    ])) as [RunningService, RunningService, RunningService];
  });
  afterAll(async () => {
    await Promise.all([trusting, stranger, asking].map((service) => service.stop()));
    await proxy?.stop();
  });

  /** Runs a request on an avatar, and compares its calls: each of them on a bucket, their number on a disk. */
  async function expectCalls(
    { url }: RunningService,
    id: string,
    calls: readonly string[],
    run: (client: AvatarClient) => Promise<unknown>,
  ) {
    const before = await storeCalls(url);
    proxy?.clear();
    await run(new AvatarClient(url, id));
    // A rendition is stored after it was served.
    await until(async () => (await storeCalls(url)) - before >= calls.length);
    const made = proxy?.seen.map(({ operation, key }) =>
      `${operation} ${key}`
        .replace(id, 'ID')
        .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, 'VERSION')
        .replace(/[0-9a-f]{32}/, 'HASH'),
    );
    expect(made ?? calls).toEqual(calls);
    expect((await storeCalls(url)) - before).toBe(calls.length);
  }
  const avatar = () => `avatar-${++count}`;

  it.each(CHANGES)('are as few as can be for $name', async ({ before, calls, run }) => {
    const id = avatar();
    const client = new AvatarClient(trusting.url, id);
    for (let i = 1; i <= before; i++) await created(client, i);
    await expectCalls(trusting, id, calls, run);
  });

  it('are four for an erasure of a version and a rendition of it', async () => {
    const id = avatar();
    await created(new AvatarClient(trusting.url, id), 1);
    // Waits for the last of its calls, which comes after the rendition is stored.
    await expectCalls(stranger, id, COLD, (client) => found(client, SMALL));
    expect(await keysOf(environment, `avatars/${id}/`)).toHaveLength(2);
    await expectCalls(trusting, id, ERASURE, async (client) => {
      expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ objects: 2 });
    });
    expect(await keysOf(environment, `avatars/${id}/`)).toEqual([]);
  });

  it('are one more for an erasure with hashes, and three for each of them', async () => {
    const id = avatar();
    const before = new AvatarClient(trusting.url, id);
    await created(before, 1);
    expectStatus(200, await before.setAliases({ hashes: [count.toString(16).padStart(32, '0')] }));
    await expectCalls(trusting, id, ERASURE_WITH_ALIAS, async (client) => {
      expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ objects: 1, aliases: 1 });
    });
  });

  it('are five for a rendition of a transparent picture as well', async () => {
    const id = avatar();
    const background = { r: 9, g: 9, b: 90, alpha: 0.5 };
    const picture = sharp({ create: { width: 48, height: 48, channels: 4, background } }).png();
    expectStatus(201, await new AvatarClient(trusting.url, id).upload(await picture.toBuffer()));
    const cold = COLD.map((call) => call.replace('master.jpeg', 'master.webp'));
    await expectCalls(stranger, id, cold, (client) => found(client, SMALL));
  });

  it('are five for a rendition that nobody has asked for, and one after CACHE_MAX_AGE_MS', async () => {
    const id = avatar();
    await created(new AvatarClient(trusting.url, id), 1);
    await expectCalls(stranger, id, COLD, (client) => found(client, SMALL));
    await found(new AvatarClient(asking.url, id), SMALL);
    await expectCalls(asking, id, [GET_MANIFEST], (client) => found(client, SMALL));
    const conditions = proxy?.seen.map(({ headers }) => headers['if-none-match']);
    expect(conditions ?? ['"etag"']).toEqual([expect.any(String)]);
  });

  it('are six if it takes longer than CACHE_MAX_AGE_MS, since it may be erased by then', async () => {
    const id = avatar();
    await created(new AvatarClient(trusting.url, id), 1);
    const { url } = asking;
    const before = await storeCalls(url);
    proxy?.clear();
    await found(new AvatarClient(url, id), SMALL);
    await until(async () => (await storeCalls(url)) - before >= 6);
    const { seen } = proxy ?? {};
    expect(
      seen?.filter(({ operation, key }) => `${operation} ${key}`.includes('manifests/')).length ?? 3,
    ).toBe(3);
    expect((await storeCalls(url)) - before).toBe(6);
  });

  it('are a question whether it has changed for a hash that is known', async () => {
    const id = avatar();
    const hash = count.toString(16).padStart(32, 'a');
    expectStatus(200, await new AvatarClient(trusting.url, id).setAliases({ hashes: [hash] }));
    expect(await idOf(asking.url, hash)).toBe(id);
    // The avatar is read for the hash, and once more for its picture.
    await expectCalls(asking, id, [GET_ALIAS, GET_MANIFEST, GET_MANIFEST], () => idOf(asking.url, hash));
    const conditions = proxy?.seen.map(({ headers }) => headers['if-none-match']);
    expect(conditions ?? Array(3).fill('"etag"')).toEqual(Array(3).fill(expect.any(String)));
  });

  it('are none for what is in memory', async () => {
    const id = avatar();
    const client = new AvatarClient(trusting.url, id);
    await created(client, 1);
    await found(client);
    await expectCalls(trusting, id, [], () => found(client));
  });

  if (backend.name === 's3') {
    it('are a read of the whole picture for its first presigned URL, and a question whether it is there for the next', async () => {
      const presigning = await startService({ ...environment, URL_MODE: 'presigned', CACHE_BYTES: '0' });
      const id = avatar();
      await created(new AvatarClient(trusting.url, id), 1);
      const [read, look] = [`GetObject ${RENDITION}`, `HeadObject ${RENDITION}`];
      const made = [read, `PutObject ${RENDITION}`, GET_MANIFEST];
      await expectCalls(trusting, id, made, (client) => found(client, SMALL));
      const ask = (client: AvatarClient) => found(client, `/url${SMALL}`);
      await expectCalls(presigning, id, [GET_MANIFEST, read, look], ask);
      await expectCalls(presigning, id, [GET_MANIFEST, look], ask);
      await presigning.stop();
    });
  }

  it('are one for an id without a picture', async () => {
    const absent = async (client: AvatarClient) => expectStatus(404, await client.get());
    await expectCalls(trusting, avatar(), [GET_MANIFEST], absent);
    const drawn = (client: AvatarClient) => found(client, '?default=identicon');
    await expectCalls(trusting, avatar(), [GET_MANIFEST], drawn);
    const redirected = async (client: AvatarClient) =>
      expectStatus(302, await client.get(`?default=${encodeURIComponent(ELSEWHERE)}`));
    await expectCalls(trusting, avatar(), [GET_MANIFEST], redirected);
  });
});

/** A new store whose calls the proxy sees, if it is a bucket. */
async function counted(
  backend: Backend,
): Promise<{ proxy: FaultProxy | undefined; environment: Environment }> {
  const direct = {
    ...(await backend.environment()),
    AVATAR_WARM_SIZES: '0',
    AVATAR_DEFAULT_URLS: ELSEWHERE,
    CACHE_MAX_AGE_MS: '3600000',
    // A scrape would otherwise start a health check as soon as the last one is too old.
    CONSTANT_HEALTH_MAX_AGE_MS: '3600000',
  };
  return backend.name === 's3' ? behindProxy(direct) : { proxy: undefined, environment: direct };
}

async function keysOf(environment: Environment, prefix: string): Promise<string[]> {
  const keys = [];
  for await (const { key } of openBackend(environment).list(prefix)) keys.push(key);
  return keys;
}
