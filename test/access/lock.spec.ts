import type { Answer } from '../http/support/client.js';
import { problemOf, send } from '../http/support/client.js';
import { storedKeys } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { backends, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { bearer, item } from './support/keys.js';

const API_KEYS = [item('list', 'read'), item('app', 'read+write'), item('jobs', 'admin')].join();
const REASON = 'It comes from the company directory.';
const LOCKED = { status: 423, code: 'avatar_locked' };

type Json = Record<string, unknown>;

const json = ({ body }: Answer) => JSON.parse(body.toString()) as Json;

/** The calls on one avatar with a key. */
class Caller {
  constructor(
    private readonly url: string,
    readonly id: string,
    private readonly key: string,
  ) {}

  call(method: string, suffix: string, body?: Buffer | object): Promise<Answer> {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const path = `/v1/avatars/${this.id}${suffix}`;
    return send(this.url, {
      method,
      path,
      headers: bearer(this.key),
      ...(bytes !== undefined && { body: bytes }),
    });
  }

  lock(locked: boolean, reason?: string): Promise<Answer> {
    return this.call('PUT', '/lock', { locked, ...(reason !== undefined && { reason }) });
  }
}

describe.each(backends)('a locked avatar on $name', (backend) => {
  let services: RunningService[] = [];
  let image: Buffer;

  beforeAll(async () => {
    const environment = { ...(await backend.environment()), API_KEYS, CACHE_MAX_AGE_MS: '0' };
    services = await startServices([environment, environment]);
    image = await picture('png');
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  /** Somebody who may write, and somebody with admin on the other replica. */
  const callers = (id: string): [app: Caller, jobs: Caller] => {
    const [one, other] = services;
    return [new Caller(one?.url ?? '', id, 'app'), new Caller(other?.url ?? '', id, 'jobs')];
  };

  it('keeps its picture for all but admin, on every replica, until it is unlocked', async () => {
    const [app, jobs] = callers('locked');
    const { version } = json(await app.call('PUT', '', image)) as { version: string };
    const locked = await jobs.lock(true, `  ${REASON} `);
    expect([locked.status, json(locked)]).toEqual([
      200,
      { id: 'locked', locked: true, reason: REASON, at: expect.any(String) as string },
    ]);
    const changes: [method: string, suffix: string, body?: Buffer | object][] = [
      ['PUT', '', image],
      ['PUT', '', await picture('gif')],
      ['POST', '', await picture('gif')],
      ['DELETE', ''],
      ['PUT', '/current', { version }],
      ['PUT', '/alt', { alt: 'me' }],
    ];
    for (const [method, suffix, body] of changes) {
      const answer = await app.call(method, suffix, body);
      expect([method, suffix, problemOf(answer)]).toEqual([method, suffix, LOCKED]);
      expect(json(answer)).toMatchObject({
        reason: REASON,
        detail: expect.stringContaining(REASON) as string,
      });
    }
    expect(json(await app.call('GET', '/versions'))).toMatchObject({
      current: version,
      versions: [{ version }],
      lock: { locked: true, reason: REASON, at: json(locked)['at'] },
    });
    const info = json(await app.call('GET', '/info'));
    expect(info).toMatchObject({ version, locked: true });
    expect(info).not.toHaveProperty('reason');
    expect((await app.call('PUT', '/aliases', { emails: ['a@example.org'] })).status).toBe(200);

    expect((await jobs.call('PUT', '/alt', { alt: 'me' })).status).toBe(200);
    expect((await jobs.call('PUT', '', await picture('gif'))).status).toBe(201);
    expect((await jobs.call('DELETE', '')).status).toBe(204);

    expect(json(await jobs.lock(false))).toMatchObject({ id: 'locked', locked: false });
    expect((await app.call('PUT', '', image)).status).toBe(201);
    expect(json(await app.call('GET', '/versions'))).not.toHaveProperty('lock');
    expect(json(await app.call('GET', '/info'))).not.toHaveProperty('locked');
  });

  it('can be one without a picture, so that nobody uploads the first', async () => {
    const [app, jobs] = callers('empty');
    await jobs.lock(true);
    const refused = await app.call('PUT', '', image);
    expect(problemOf(refused)).toEqual(LOCKED);
    expect(json(refused)).not.toHaveProperty('reason');
    expect((await jobs.call('PUT', '', image)).status).toBe(201);
  });

  it('is not written again if it is as it is asked for', async () => {
    const [, jobs] = callers('same');
    const untouched = json(await jobs.call('PUT', '/lock', { locked: false, reason: null }));
    expect(untouched).toEqual({ id: 'same', locked: false });
    const { at } = json(await jobs.lock(true, REASON));
    expect(json(await jobs.lock(true, REASON))['at']).toBe(at);
    expect(json(await jobs.lock(true, 'Another reason'))['at']).not.toBe(at);
  });

  it('is unlocked by an erasure, whoever uploads under its id next', async () => {
    const [app, jobs] = callers('erased');
    await app.call('PUT', '', image);
    await jobs.lock(true, REASON);
    expect((await jobs.call('DELETE', '?erase=true')).status).toBe(200);
    expect((await app.call('PUT', '', image)).status).toBe(201);
    expect(JSON.stringify(json(await app.call('GET', '/versions')))).not.toContain(REASON);
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
    expect(problemOf(await jobs.call('PUT', '/lock', body))).toEqual({
      status: 400,
      code: 'invalid_lock',
      parameter,
    });
    expect(json(await app.call('GET', '/versions'))).not.toHaveProperty('lock');
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
    const [app, jobs] = [
      new Caller(service.url, 'overtaken', 'app'),
      new Caller(other.url, 'overtaken', 'jobs'),
    ];
    const held = proxy.hold({ operation: 'PutObject', key: 'manifests/overtaken.json' });
    const upload = app.call('PUT', '', image);
    const swap = await held;
    expect((await jobs.lock(true)).status).toBe(200);
    swap.pass();
    expect(problemOf(await upload)).toEqual(LOCKED);
    const keys = await storedKeys(environment);
    expect(keys.filter((key) => key.includes('overtaken'))).toEqual(['manifests/overtaken.json']);
  });

  it('waits while the bucket is away, and holds at the replica that took it at once', async () => {
    const [app, jobs] = [new Caller(service.url, 'away', 'app'), new Caller(service.url, 'away', 'jobs')];
    const { version } = json(await app.call('PUT', '', image)) as { version: string };
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    const locked = await jobs.lock(true, REASON);
    expect([locked.status, json(locked)]).toMatchObject([202, { locked: true, pending: true }]);
    expect(problemOf(await app.call('PUT', '', await picture('gif')))).toEqual(LOCKED);
    proxy.clear();
    const elsewhere = new Caller(other.url, 'away', 'app');
    while ((await elsewhere.call('DELETE', '')).status !== 423) {
      // Somebody who is faster than the lock may remove the picture.
      await jobs.call('PUT', '/current', { version });
    }
    expect(json(await elsewhere.call('GET', '/versions'))).toMatchObject({ lock: { reason: REASON } });
  });
});
