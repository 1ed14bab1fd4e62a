import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AvatarClient, expectStatus, jsonOf, lookup, numbered, versionOf } from '../support/avatar-client.js';
import { backends, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { bearer, sumOf } from '../support/api-keys.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { until } from '../support/until.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { type Answer, problemOf, send } from './support/client.js';

const KEY = 'secret';
const AUTHORIZED = bearer(KEY);
const ABSENT = '01a218c4-35fa-773e-8eb8-4d85ca0ef32a';

const setAlt = (
  client: AvatarClient,
  alt: unknown,
  version?: string,
  headers: Record<string, string> = {},
): Promise<Answer> =>
  client.send({ method: 'PUT', suffix: '/alt', body: JSON.stringify({ alt, version }), headers });
const altOf = (answer: Answer) => (jsonOf(answer) as { alt?: string }).alt;
const shown = async (client: AvatarClient) => altOf(expectStatus(200, await client.get('/info')));

describe.each(backends)('the alt text set later on $name', (backend) => {
  let service: RunningService;
  let other: RunningService;
  beforeAll(async () => {
    const environment: Environment = { ...(await backend.environment()), CACHE_MAX_AGE_MS: '0' };
    [service, other] = (await startServices([environment, environment])) as [RunningService, RunningService];
  });
  afterAll(() => Promise.all([service.stop(), other.stop()]));

  let count = 0;
  const avatar = () => {
    const id = `alice-${++count}`;
    return { id, here: new AvatarClient(service.url, id), there: new AvatarClient(other.url, id) };
  };

  it('is shown by info, versions and lookup of every replica, and changes neither picture nor version', async () => {
    const { id, here, there } = avatar();
    const version = versionOf(expectStatus(201, await here.upload(await numbered(1))));
    const before = await here.get();
    const answer = expectStatus(200, await setAlt(here, '  Ann, smiling 😀 at a café '));
    const text = 'Ann, smiling 😀 at a café';
    expect(jsonOf(answer)).toMatchObject({ id, version, alt: text });
    expect(jsonOf(answer)).not.toHaveProperty('pending');
    for (const client of [here, there]) {
      expect(await shown(client)).toBe(text);
      expect(await client.versions()).toMatchObject({ current: version, versions: [{ version, alt: text }] });
    }
    expect((await lookup(other.url, { ids: [id] })).avatars[id]?.alt).toBe(text);
    const after = await here.get();
    expect([after.body, after.headers.etag]).toEqual([before.body, before.headers.etag]);

    expect(altOf(expectStatus(200, await setAlt(there, 'Bob')))).toBe('Bob');
    expect(await shown(here)).toBe('Bob');
    for (const nothing of [null, ' ']) {
      expectStatus(200, await setAlt(here, 'Carol'));
      expect(jsonOf(expectStatus(200, await setAlt(here, nothing)))).not.toHaveProperty('alt');
      expect(await shown(there)).toBeUndefined();
    }
  });

  it('is of the version that is named, which need not be current, and comes with it when it is restored', async () => {
    const { here } = avatar();
    const first = versionOf(await here.send({ method: 'PUT', suffix: '?alt=one', body: await numbered(1) }));
    const second = versionOf(expectStatus(201, await here.upload(await numbered(2))));
    expect(jsonOf(expectStatus(200, await setAlt(here, 'uno', first)))).toMatchObject({
      version: first,
      alt: 'uno',
    });
    expect(await shown(here)).toBeUndefined();
    expect((await here.versions()).versions.map(({ alt }) => alt)).toEqual([undefined, 'uno']);
    expect(jsonOf(expectStatus(200, await here.restore(first)))).toMatchObject({ alt: 'uno' });
    // The same picture again: with this text nothing changes, with another one it is a new version.
    const again = await here.send({ method: 'PUT', suffix: '?alt=uno', body: await numbered(1) });
    expect(versionOf(expectStatus(200, again))).toBe(first);
    const anew = await here.send({ method: 'PUT', suffix: '?alt=one', body: await numbered(1) });
    expect([first, second]).not.toContain(versionOf(expectStatus(201, anew)));
  });

  it('is refused if there is nothing to describe, or something else is current', async () => {
    const { here } = avatar();
    expect(problemOf(await setAlt(here, 'x'))).toEqual({ status: 404, code: 'avatar_not_found' });
    expect(problemOf(await setAlt(here, 'x', ABSENT))).toEqual({ status: 404, code: 'version_not_found' });
    const version = versionOf(expectStatus(201, await here.upload(await numbered(1))));
    expect(problemOf(await setAlt(here, 'x', ABSENT))).toEqual({ status: 404, code: 'version_not_found' });
    const wrong = await setAlt(here, 'x', undefined, { 'if-match': `"${ABSENT}"` });
    expect(problemOf(wrong)).toEqual({ status: 412, code: 'precondition_failed' });
    expect(await shown(here)).toBeUndefined();
    expectStatus(200, await setAlt(here, 'y', undefined, { 'if-match': `"${version}"` }));
    expect(await shown(here)).toBe('y');
    expectStatus(204, await here.delete());
    expect(problemOf(await setAlt(here, 'x'))).toEqual({ status: 404, code: 'avatar_not_found' });
    expectStatus(200, await setAlt(here, 'hidden', version));
    expectStatus(404, await here.get());
    expectStatus(200, await here.erase());
    expect(problemOf(await setAlt(here, 'x', version))).toEqual({
      status: 404,
      code: 'version_not_found',
    });
  });

  it.each<[what: string, body: object, parameter: string]>([
    ['no alt', {}, 'alt'],
    ['a number', { alt: 1 }, 'alt'],
    ['a list', { alt: ['x'] }, 'alt'],
    ['251 characters', { alt: '😀'.repeat(251) }, 'alt'],
    ['a line break', { alt: 'a\nb' }, 'alt'],
    ['half a character', { alt: '\ud800' }, 'alt'],
    ['a name that is none', { alt: 'x', version: 'v1' }, 'version'],
    ['a number for a version', { alt: 'x', version: 1 }, 'version'],
    ['null for a version', { alt: 'x', version: null }, 'version'],
  ])('is refused with %s', async (_, body, parameter) => {
    const { here } = avatar();
    const answer = await here.send({ method: 'PUT', suffix: '/alt', body: JSON.stringify(body) });
    expect(problemOf(answer)).toEqual({ status: 400, code: 'invalid_alt', parameter });
  });

  it('takes the longest text, with every character escaped', async () => {
    const { here } = avatar();
    expectStatus(201, await here.upload(await numbered(1)));
    const longest = '😀'.repeat(250);
    const escaped = longest.replace(/[^]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
    const answer = await here.send({ method: 'PUT', suffix: '/alt', body: `{"alt":"${escaped}"}` });
    expect(altOf(expectStatus(200, answer))).toBe(longest);
    expect(await shown(here)).toBe(longest);
  });

  it('loses nothing to changes at the same time, and is one of the texts that were sent', async () => {
    const { here, there } = avatar();
    const first = versionOf(expectStatus(201, await here.upload(await numbered(1))));
    const texts = Array.from({ length: 6 }, (_, i) => `text ${i}`);
    const answers = await Promise.all([
      ...texts.map((text, i) => setAlt(i % 2 === 0 ? here : there, text, first)),
      here.upload(await numbered(2)),
      there.upload(await numbered(3)),
    ]);
    for (const { status } of answers) expect([200, 201]).toContain(status);
    const { versions } = await here.versions();
    expect(versions).toHaveLength(3);
    expect(versions.at(-1)?.version).toBe(first);
    expect(texts).toContain(versions.at(-1)?.alt);
    expect((await there.versions()).versions).toEqual(
      versions.map((one) => ({ ...one, urls: expect.any(Object) as object })),
    );
  });
});

describe('the alt text', () => {
  it('needs a key', async () => {
    const API_KEYS = sumOf(KEY);
    const service = await startService({ ...(await local.environment()), API_KEYS });
    try {
      const client = new AvatarClient(service.url, 'alice');
      expectStatus(201, await client.upload(await numbered(1), AUTHORIZED));
      expect(problemOf(await setAlt(client, 'x'))).toEqual({ status: 401, code: 'unauthorized' });
      expectStatus(200, await setAlt(client, 'x', undefined, AUTHORIZED));
    } finally {
      await service.stop();
    }
  });
});

describeS3('the alt text while the bucket is away', () => {
  let proxy: FaultProxy;
  let direct: RunningService;
  let service: RunningService;
  let waiting: Environment;

  beforeAll(async () => {
    const environment = await s3Environment();
    const behind = await behindProxy(environment);
    proxy = behind.proxy;
    waiting = {
      ...behind.environment,
      CONSTANT_STORAGE_S3_ATTEMPTS: '1',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '100',
      CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '50',
      CACHE_MAX_AGE_MS: '0',
      CACHE_MAX_STALE_MS: '3600000',
    };
    direct = await startService({ ...environment, CACHE_MAX_AGE_MS: '0' });
    service = await startService(waiting);
  });
  afterAll(async () => {
    await Promise.all([service.stop(), direct.stop()]);
    await proxy.stop();
  });
  const away = () => {
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
  };
  const back = async () => {
    proxy.clear();
    const entries = async () => (await send(service.url, { path: '/metrics' })).body.toString();
    await until(async () => /^visage_outbox_entries 0$/m.test(await entries()), 'the replay');
  };

  it('waits in the outbox, and is shown here at once and by all replicas once the bucket is back', async () => {
    const [client, elsewhere] = [service, direct].map(({ url }) => new AvatarClient(url, 'alice')) as [
      AvatarClient,
      AvatarClient,
    ];
    const version = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    away();
    expect(jsonOf(expectStatus(202, await setAlt(client, 'Ann')))).toMatchObject({
      version,
      alt: 'Ann',
      pending: true,
    });
    expect(await shown(client)).toBe('Ann');
    // What came in between on another replica stays current.
    const newer = versionOf(expectStatus(201, await elsewhere.upload(await numbered(2))));
    await back();
    expect(await elsewhere.versions()).toMatchObject({
      current: newer,
      versions: [{ version: newer }, { version, alt: 'Ann' }],
    });
    expect((await elsewhere.versions()).versions[0]).not.toHaveProperty('alt');
  });

  it('may be of a picture that waits itself, and brings no erased one back', async () => {
    const client = new AvatarClient(service.url, 'bob');
    const elsewhere = new AvatarClient(direct.url, 'bob');
    expectStatus(404, await client.get());
    away();
    const version = versionOf(expectStatus(202, await client.upload(await numbered(3))));
    expect(altOf(expectStatus(202, await setAlt(client, 'Bob')))).toBe('Bob');
    expect(await shown(client)).toBe('Bob');
    await back();
    expect(await elsewhere.versions()).toMatchObject({ current: version, versions: [{ alt: 'Bob' }] });

    away();
    expectStatus(202, await setAlt(client, 'late'));
    expectStatus(200, await elsewhere.erase());
    await back();
    expect(await elsewhere.versions()).toMatchObject({ current: null, versions: [] });
  });

  it('needs the bucket with If-Match, which has to say what is current', async () => {
    const client = new AvatarClient(service.url, 'dave');
    const version = versionOf(expectStatus(201, await client.upload(await numbered(4))));
    away();
    const exact = await setAlt(client, 'x', undefined, { 'if-match': `"${version}"` });
    expect(problemOf(exact)).toEqual({ status: 503, code: 'storage_unavailable' });
    await back();
  });

  it('is no picture: a replica that knows nothing else answers 503, not 404', async () => {
    // An older service cannot have left a picture for this id, so nothing else asks the bucket.
    const OUTBOX_PATH = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
    const before = await startService({ ...waiting, OUTBOX_PATH });
    const client = new AvatarClient(before.url, 'Carol');
    const version = versionOf(expectStatus(201, await client.upload(await numbered(5))));
    away();
    expectStatus(202, await setAlt(client, 'Carol'));
    await before.stop();
    const after = await startService({ ...waiting, OUTBOX_PATH });
    try {
      const again = new AvatarClient(after.url, 'Carol');
      for (const suffix of ['', '/info', '/versions', '?default=404']) {
        expect(problemOf(await again.get(suffix))).toEqual({ status: 503, code: 'storage_unavailable' });
      }
      proxy.clear();
      await until(async () => (await again.get('/info')).status === 200, 'the bucket');
      expect(jsonOf(await again.get('/info'))).toMatchObject({ version, alt: 'Carol' });
    } finally {
      await after.stop();
    }
  });
});
