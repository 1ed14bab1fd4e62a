import { type Item, parseList } from 'structured-headers';
import { type Answer, problemOf } from '../http/support/client.js';
import { storedKeys } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { bearer, item, sumOf } from '../support/api-keys.js';
import { AvatarClient, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { backends, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { Issuer } from '../support/issuer.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { SIGNING_KEY, ticketFrom } from '../support/tickets.js';

const LIMITED = { status: 429, code: 'rate_limited' };

/** What one field of structured items says of each limit. */
function itemsOf(answer: Answer, name: 'ratelimit' | 'ratelimit-policy'): Record<string, object> {
  const list = parseList(String(answer.headers[name])) as Item[];
  const items = list.map(([value, parameters]) => [String(value), Object.fromEntries(parameters) as object]);
  return Object.fromEntries(items) as Record<string, object>;
}

const leftIn = (answer: Answer) => itemsOf(answer, 'ratelimit');
const policiesOf = (answer: Answer) => itemsOf(answer, 'ratelimit-policy');

/** What an answer tells of a limit that is used up. */
function expectNothingLeft(answer: Answer, counted: string): void {
  expect(problemOf(answer)).toEqual(LIMITED);
  const wait = Number(answer.headers['retry-after']);
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(3600);
  expect(leftIn(answer)).toMatchObject({ [counted]: { r: 0, t: wait } });
}

describe.each(backends)('UPLOADS_PER_AVATAR on $name', (backend) => {
  let environment: Environment;
  let services: RunningService[] = [];

  beforeAll(async () => {
    environment = { ...(await backend.environment()), UPLOADS_PER_AVATAR: '5/1h', CACHE_MAX_AGE_MS: '0' };
    services = await startServices([environment, environment, environment]);
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const clients = (id: string) => services.map(({ url }) => new AvatarClient(url, id));
  /** Of one of the replicas, by turns. */
  const clientOf = (id: string, turn: number): AvatarClient => {
    const all = clients(id);
    return all[turn % all.length] ?? new AvatarClient('', id);
  };
  const uploaded = async (id: string, count: number) => {
    const answers: Answer[] = [];
    for (let i = 0; i < count; i++) answers.push(await clientOf(id, i).upload(await numbered(i)));
    return answers;
  };
  const keysOf = async (id: string) => (await storedKeys(environment)).filter((key) => key.includes(id));

  it('lets exactly so many of those pass that come at once, on all replicas together', async () => {
    const pictures = await Promise.all(Array.from({ length: 40 }, (_, i) => numbered(i)));
    const answers = await Promise.all(pictures.map((bytes, i) => clientOf('many', i).upload(bytes)));
    const [created, refused] = [201, 429].map((status) => answers.filter((one) => one.status === status));
    expect([created?.length, refused?.length]).toEqual([5, 35]);
    for (const answer of refused ?? []) expectNothingLeft(answer, 'avatar');
    for (const answer of answers) expect(policiesOf(answer)).toEqual({ avatar: { q: 5, w: 3600 } });
    const { versions } = await clientOf('many', 0).versions();
    expect(versions.map(({ version }) => version).sort()).toEqual((created ?? []).map(versionOf).sort());
    expect((await keysOf('many')).filter((key) => key.includes('/master'))).toHaveLength(5);
  });

  it('tells what is left, also of an upload that changes nothing', async () => {
    const answers = await uploaded('told', 2);
    expect(answers.map((answer) => leftIn(answer)['avatar'])).toMatchObject([{ r: 4 }, { r: 3 }]);
    const again = await clientOf('told', 2).upload(await numbered(1));
    expect([again.status, leftIn(again)['avatar']]).toMatchObject([200, { r: 3 }]);
  });

  it('counts what was removed or erased, and neither a repeated upload nor what is no upload', async () => {
    const [first] = await uploaded('counted', 5);
    const client = clientOf('counted', 0);
    expect((await client.upload(await numbered(4))).status).toBe(200);
    expect((await client.restore(first ? versionOf(first) : '')).status).toBe(200);
    expect((await client.delete()).status).toBe(204);
    expect((await client.eraseVersion(first ? versionOf(first) : '')).status).toBe(200);
    expectNothingLeft(await client.upload(await numbered(6)), 'avatar');
    expect((await clientOf('another', 0).upload(await numbered(6))).status).toBe(201);
  });

  it('begins anew after an erasure of the avatar', async () => {
    await uploaded('erased', 5);
    expect((await clientOf('erased', 0).erase()).status).toBe(200);
    const again = await clientOf('erased', 1).upload(await numbered(0));
    expect([again.status, leftIn(again)['avatar']]).toMatchObject([201, { r: 4 }]);
  });

  it('counts no picture that is refused, and says nothing on reads', async () => {
    const client = clientOf('refused', 0);
    for (let i = 0; i < 6; i++) expect((await client.upload(Buffer.from('no picture'))).status).toBe(415);
    const answer = await client.upload(await numbered(0));
    expect([answer.status, leftIn(answer)['avatar']]).toMatchObject([201, { r: 4 }]);
    for (const suffix of ['', '/info', '/versions']) {
      expect((await client.get(suffix)).headers).not.toHaveProperty('ratelimit');
    }
  });
});

describeS3('UPLOADS_PER_AVATAR', () => {
  let proxy: FaultProxy;
  let environment: Environment;
  let service: RunningService;
  /** Has the bucket also while the other one has lost it. */
  let other: RunningService;

  beforeAll(async () => {
    const once = { CONSTANT_STORAGE_S3_ATTEMPTS: '1', CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '50' };
    const limits = { UPLOADS_PER_AVATAR: '1/1h', CACHE_MAX_AGE_MS: '0' };
    const bucket = { ...(await s3Environment()), ...once, ...limits };
    const behind = await behindProxy(bucket);
    ({ proxy, environment } = behind);
    [service, other] = await Promise.all([startService(environment), startService(bucket)]);
  });
  afterAll(async () => {
    await Promise.all([service.stop(), other.stop()]);
    await proxy.stop();
  });

  it('refuses an upload that another replica was faster than, which leaves nothing', async () => {
    const held = proxy.hold({ operation: 'PutObject', key: 'manifests/overtaken.json' });
    const upload = new AvatarClient(service.url, 'overtaken').upload(await numbered(0));
    const swap = await held;
    const faster = await new AvatarClient(other.url, 'overtaken').upload(await numbered(1));
    swap.pass();
    expectNothingLeft(await upload, 'avatar');
    const keys = await storedKeys(environment);
    const masters = keys.filter((key) => key.includes('overtaken') && key.includes('/master'));
    expect([faster.status, masters]).toEqual([201, [expect.stringContaining(versionOf(faster))]]);
  });

  it('counts the uploads that wait while the bucket is away', async () => {
    const client = new AvatarClient(service.url, 'away');
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    const waiting = await client.upload(await numbered(0));
    expect([waiting.status, leftIn(waiting)['avatar']]).toMatchObject([202, { r: 0 }]);
    expectNothingLeft(await client.upload(await numbered(1)), 'avatar');
    proxy.clear();
    const elsewhere = new AvatarClient(other.url, 'away');
    while ((await elsewhere.versions()).versions.length === 0);
    expectNothingLeft(await elsewhere.upload(await numbered(2)), 'avatar');
  });
});

describe('the uploads with a key', () => {
  let service: RunningService;
  let image: Buffer;

  beforeAll(async () => {
    const API_KEYS = [item('one', 'write'), item('two', 'admin'), sumOf('bare')].join();
    service = await startService({
      ...(await local.environment()),
      API_KEYS,
      UPLOADS_PER_CREDENTIAL: '2/1h',
      UPLOADS_PER_ADDRESS: '1/1h',
    });
    image = await picture('png');
  });
  afterAll(() => service.stop());

  const upload = (key: string, id: string, body = image) =>
    new AvatarClient(service.url, id, bearer(key)).upload(body);

  it.each(['one', 'two', 'bare'])('are limited for %s, whatever comes of them', async (key) => {
    const first = await upload(key, 'alice');
    expect(leftIn(first)).toEqual({ credential: { r: 1, t: expect.any(Number) as number } });
    expect(policiesOf(first)).toEqual({ credential: { q: 2, w: 3600 } });
    const second = await upload(key, 'bob', Buffer.from('no picture'));
    expect([second.status, leftIn(second)['credential']]).toMatchObject([415, { r: 0 }]);
    const refused = await upload(key, 'carol');
    expectNothingLeft(refused, 'credential');
    expect(jsonOf(refused)).toMatchObject({
      detail: expect.stringMatching(/key.*limited to 2 in 1 hour\. Try again in \d/) as string,
    });
    expect((await new AvatarClient(service.url, 'carol').get()).status).toBe(404);
  });
});

describe('the uploads from an address', () => {
  let service: RunningService;

  beforeAll(async () => {
    service = await startService({
      ...(await local.environment()),
      UPLOADS_PER_ADDRESS: '2/1h',
      TRUST_PROXY: '127.0.0.1',
      CONSTANT_UPLOAD_COUNTERS: '3',
    });
  });
  afterAll(() => service.stop());

  const uploadFrom = async (...addresses: string[]) => {
    const client = new AvatarClient(service.url, 'alice');
    const image = await numbered(0);
    const answers: Answer[] = [];
    for (const address of addresses) {
      answers.push(await client.upload(image, { 'x-forwarded-for': address }));
    }
    return answers.map(({ status }) => status);
  };

  it.each([
    ['IPv4', ['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'], [false, false, true, false]],
    [
      'IPv6, by /64',
      ['2001:db8::1', '2001:db8::ffff:2', '2001:DB8:0:0:3::', '2001:db8:0:1::1'],
      [false, false, true, false],
    ],
    ['IPv4 in IPv6', ['::ffff:192.0.2.9', '192.0.2.9', '::ffff:c000:209'], [false, false, true]],
  ])('are limited by %s', async (_, addresses, refused) => {
    const statuses = await uploadFrom(...addresses);
    expect(statuses.map((status) => status === 429)).toEqual(refused);
  });

  it('are those with tickets and tokens of users, and not those of an application', async () => {
    const issuer = await Issuer.start();
    const keyed = await startService({
      ...(await local.environment()),
      API_KEYS: item('app', 'write'),
      SIGNING_KEYS: SIGNING_KEY,
      ...issuer.environment,
      UPLOADS_PER_ADDRESS: '3/1h',
      UPLOADS_PER_CREDENTIAL: '3/1h',
    });
    try {
      const app = new AvatarClient(keyed.url, 'alice', bearer('app'));
      const ticket = () => ticketFrom(app);
      const upload = async (headers: Record<string, string>) =>
        new AvatarClient(keyed.url, 'alice').upload(await numbered(0), headers);
      const token = async (scope?: string) => bearer(await issuer.token('alice', { claims: { scope } }));
      const first = [await upload(await ticket()), await upload(await ticket()), await upload(await token())];
      expect(first.map(leftIn)).toMatchObject([
        { address: { r: 2 }, credential: { r: 2 } },
        { address: { r: 1 }, credential: { r: 2 } },
        { address: { r: 0 }, credential: { r: 2 } },
      ]);
      expectNothingLeft(await upload(await ticket()), 'address');
      expectNothingLeft(await upload(await token()), 'address');
      expect(leftIn(await upload(bearer('app')))).toMatchObject({ credential: { r: 2 } });
      expect(leftIn(await upload(await token('avatars:write')))).toMatchObject({ credential: { r: 0 } });
      expectNothingLeft(await upload(await token('avatars:write')), 'credential');
    } finally {
      await keyed.stop();
      issuer.stop();
    }
  });

  it('are counted for a bounded number of addresses', async () => {
    const others = ['198.51.100.1', '198.51.100.2', '198.51.100.3'];
    const statuses = await uploadFrom(
      '198.51.100.9',
      '198.51.100.9',
      '198.51.100.9',
      ...others,
      '198.51.100.9',
    );
    expect(statuses.map((status) => status === 429)).toEqual([
      false,
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
  });
});
