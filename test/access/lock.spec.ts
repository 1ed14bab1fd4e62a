import type { Answer } from '../http/support/client.js';
import { problemOf } from '../http/support/client.js';
import { storedKeys } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { backends, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { bearer, item } from '../support/api-keys.js';
import { AvatarClient, jsonOf } from '../support/avatar-client.js';
import { Issuer } from '../support/issuer.js';

const API_KEYS = [item('list', 'read'), item('app', 'read+write'), item('jobs', 'admin')].join();
const REASON = 'It comes from the company directory.';
const LOCKED = { status: 423, code: 'avatar_locked' };

type Json = Record<string, unknown>;

const json = (answer: Answer) => jsonOf(answer) as Json;

/** Somebody with a key, who is named like it. */
const callerOn = (url: string, id: string, key: string) => new AvatarClient(url, id, bearer(key));

const put = (caller: AvatarClient, suffix: string, body: object) =>
  caller.send({ method: 'PUT', suffix, body: JSON.stringify(body) });

const lock = (caller: AvatarClient, locked: boolean, reason?: string) =>
  put(caller, '/lock', { locked, ...(reason !== undefined && { reason }) });

describe.each(backends)('a locked avatar on $name', (backend) => {
  let services: RunningService[] = [];
  let image: Buffer;
  let issuer: Issuer;

  beforeAll(async () => {
    issuer = await Issuer.start();
    const own = { API_KEYS, CACHE_MAX_AGE_MS: '0', ...issuer.environment };
    const environment = { ...(await backend.environment()), ...own };
    services = await startServices([environment, environment]);
    image = await picture('png');
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    issuer.stop();
  });

  /** Somebody who may write, and somebody with admin on the other replica. */
  const callers = (id: string): [app: AvatarClient, jobs: AvatarClient] => {
    const [one, other] = services;
    return [callerOn(one?.url ?? '', id, 'app'), callerOn(other?.url ?? '', id, 'jobs')];
  };

  it('keeps its picture for all but admin, on every replica, until it is unlocked', async () => {
    const [app, jobs] = callers('locked');
    const { version } = json(await app.upload(image)) as { version: string };
    const locked = await lock(jobs, true, `  ${REASON} `);
    expect([locked.status, json(locked)]).toEqual([
      200,
      { id: 'locked', locked: true, reason: REASON, at: expect.any(String) as string },
    ]);
    const gif = await picture('gif');
    const changes = [
      () => app.upload(image),
      () => app.upload(gif),
      () => app.send({ method: 'POST', body: gif }),
      () => app.delete(),
      () => app.restore(version),
      () => put(app, '/alt', { alt: 'me' }),
    ];
    for (const change of changes) {
      const answer = await change();
      expect([String(change), problemOf(answer)]).toEqual([String(change), LOCKED]);
      expect(json(answer)).toMatchObject({
        reason: REASON,
        detail: expect.stringContaining(REASON) as string,
      });
    }
    expect(json(await app.get('/versions'))).toMatchObject({
      current: version,
      versions: [{ version }],
      lock: { locked: true, reason: REASON, at: json(locked)['at'] },
    });
    const info = json(await app.get('/info'));
    expect(info).toMatchObject({ version, locked: true });
    expect(info).not.toHaveProperty('reason');
    expect((await app.setAliases({ emails: ['a@example.org'] })).status).toBe(200);

    const bearerOf = async (scope?: string) => bearer(await issuer.token('locked', { claims: { scope } }));
    for (const scope of [undefined, 'avatars:write']) {
      expect(problemOf(await app.upload(gif, await bearerOf(scope)))).toEqual(LOCKED);
    }
    expect((await app.upload(image, await bearerOf('avatars:admin'))).status).toBe(200);
    expect((await put(jobs, '/alt', { alt: 'me' })).status).toBe(200);
    expect((await jobs.upload(await picture('gif'))).status).toBe(201);
    expect((await jobs.delete()).status).toBe(204);

    expect(json(await lock(jobs, false))).toMatchObject({ id: 'locked', locked: false });
    expect((await app.upload(image)).status).toBe(201);
    expect(json(await app.get('/versions'))).not.toHaveProperty('lock');
    expect(json(await app.get('/info'))).not.toHaveProperty('locked');
  });

  it('can be one without a picture, so that nobody uploads the first', async () => {
    const [app, jobs] = callers('empty');
    await lock(jobs, true);
    const refused = await app.upload(image);
    expect(problemOf(refused)).toEqual(LOCKED);
    expect(json(refused)).not.toHaveProperty('reason');
    expect((await jobs.upload(image)).status).toBe(201);
  });

  it('is not written again if it is as it is asked for', async () => {
    const [, jobs] = callers('same');
    const untouched = json(await put(jobs, '/lock', { locked: false, reason: null }));
    expect(untouched).toEqual({ id: 'same', locked: false });
    const { at } = json(await lock(jobs, true, REASON));
    expect(json(await lock(jobs, true, REASON))['at']).toBe(at);
    expect(json(await lock(jobs, true, 'Another reason'))['at']).not.toBe(at);
  });

  it('is unlocked by an erasure, whoever uploads under its id next', async () => {
    const [app, jobs] = callers('erased');
    await app.upload(image);
    await lock(jobs, true, REASON);
    expect((await jobs.erase()).status).toBe(200);
    expect((await app.upload(image)).status).toBe(201);
    expect(JSON.stringify(json(await app.get('/versions')))).not.toContain(REASON);
  });

  it.each([
    [{}, 'locked'],
    [{ locked: 'true' }, 'locked'],
    [{ locked: null }, 'locked'],
    [{ locked: true, reason: 'x'.repeat(251) }, 'reason'],
    [{ locked: true, reason: 'a\u0000' }, 'reason'],
    [{ locked: true, reason: 1 }, 'reason'],
    [{ locked: false, reason: 'why' }, 'reason'],
    [{ locked: true, until: '2027' }, 'until'],
  ])('is not what a body asks for that is wrong: %j', async (body, parameter) => {
    const [app, jobs] = callers('wrong');
    expect(problemOf(await put(jobs, '/lock', body))).toEqual({
      status: 400,
      code: 'invalid_lock',
      parameter,
    });
    expect(json(await app.get('/versions'))).not.toHaveProperty('lock');
  });
});

describeS3('a lock', () => {
  let proxy: FaultProxy;
  let environment: Environment;
  let service: RunningService;
  /** Has the bucket also while the other one has lost it. */
  let other: RunningService;
  let image: Buffer;

  beforeAll(async () => {
    const once = { CONSTANT_STORAGE_S3_ATTEMPTS: '1', CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '50' };
    const bucket = { ...(await s3Environment()), ...once, API_KEYS, CACHE_MAX_AGE_MS: '0' };
    const behind = await behindProxy(bucket);
    ({ proxy, environment } = behind);
    [service, other] = await Promise.all([startService(environment), startService(bucket)]);
    image = await picture('png');
  });
  afterAll(async () => {
    await Promise.all([service.stop(), other.stop()]);
    await proxy.stop();
  });

  it('refuses an upload that it overtakes, which leaves nothing', async () => {
    const [app, jobs] = [callerOn(service.url, 'overtaken', 'app'), callerOn(other.url, 'overtaken', 'jobs')];
    const held = proxy.hold({ operation: 'PutObject', key: 'manifests/overtaken.json' });
    const upload = app.upload(image);
    const swap = await held;
    expect((await lock(jobs, true)).status).toBe(200);
    swap.pass();
    expect(problemOf(await upload)).toEqual(LOCKED);
    const keys = await storedKeys(environment);
    expect(keys.filter((key) => key.includes('overtaken'))).toEqual(['manifests/overtaken.json']);
  });

  it('that the bucket has holds for what a replica accepted without having seen it', async () => {
    const [app, jobs] = [callerOn(service.url, 'unseen', 'app'), callerOn(service.url, 'unseen', 'jobs')];
    const elsewhere = callerOn(other.url, 'unseen', 'jobs');
    const { version } = json(await app.upload(image)) as { version: string };
    expect((await lock(elsewhere, true)).status).toBe(200);
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    expect((await app.upload(await picture('gif'))).status).toBe(202);
    expect((await app.delete()).status).toBe(202);
    expect((await put(app, '/alt', { alt: 'me', version })).status).toBe(202);
    expect((await put(jobs, '/alt', { alt: 'by admin', version })).status).toBe(202);
    proxy.clear();
    await service.logged(/("reason":"the avatar was locked before"[^]*){3}/);
    await service.logged(/replayed the outbox/);
    const history = json(await elsewhere.get('/versions')) as { versions: { version: string }[] };
    expect(history).toMatchObject({
      current: version,
      lock: { locked: true },
      versions: [{ alt: 'by admin' }],
    });
    expect(history.versions).toHaveLength(1);
    const masters = (await storedKeys(environment)).filter((key) => /avatars\/unseen\/.*master/.test(key));
    expect(masters).toHaveLength(1);
  });

  it('waits while the bucket is away, and holds at the replica that took it at once', async () => {
    const [app, jobs] = [callerOn(service.url, 'away', 'app'), callerOn(service.url, 'away', 'jobs')];
    const { version } = json(await app.upload(image)) as { version: string };
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    const locked = await lock(jobs, true, REASON);
    expect([locked.status, json(locked)]).toMatchObject([202, { locked: true, pending: true }]);
    expect(problemOf(await app.upload(await picture('gif')))).toEqual(LOCKED);
    proxy.clear();
    const elsewhere = callerOn(other.url, 'away', 'app');
    while ((await elsewhere.delete()).status !== 423) {
      // Somebody who is faster than the lock may remove the picture.
      await jobs.restore(version);
    }
    expect(json(await elsewhere.get('/versions'))).toMatchObject({ lock: { reason: REASON } });
  });
});
