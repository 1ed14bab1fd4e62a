import { setTimeout as sleep } from 'node:timers/promises';
import { hashEmail } from '../../src/model/alias.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { RawConnection, head } from '../http/support/raw.js';
import { scrape } from '../ops/support.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { total } from '../support/scrape.js';
import type { RunningService } from '../support/service.js';
import { bearer, callsTo, item } from '../support/api-keys.js';
import { type Line, linesWith } from '../support/log-lines.js';

const KEYS = [item('list', 'read'), item('app', 'read+write'), item('jobs', 'admin')];
const APP = { kind: 'key', name: 'app' };
const JOBS = { kind: 'key', name: 'jobs' };

/** Stops a service, since lines come later than answers. @returns its lines about changes, with what does not vary from run to run */
async function trailOf(service: RunningService, ...more: string[]): Promise<Line[]> {
  await service.stop();
  const shown = ['by', 'action', 'id', 'version', 'outcome', 'status', 'code', ...more];
  return linesWith(service, '"reqId"')
    .filter(({ msg }) => msg === 'request' || msg === 'part of a request')
    .map((line) => Object.fromEntries(Object.entries(line).filter(([name]) => shown.includes(name))));
}

describe('the log of changes', () => {
  let harness: Harness;
  afterEach(() => harness.stop());

  const start = async (more: Record<string, string> = {}) => {
    const environment = { ...(await local.environment()), API_KEYS: KEYS.join(), ...more };
    harness = await Harness.start(environment, { headers: bearer('app') });
  };

  const call = callsTo(() => harness.service.url);

  it('has one line for each: who, what, which avatar and version, and what came of it', async () => {
    await start();
    const path = '/v1/avatars/alice';
    const image = await picture('png');
    const uploaded = await call('app', 'PUT', path, image);
    const { version } = JSON.parse(uploaded.body.toString()) as { version: string };
    await call('app', 'POST', path, image);
    await call('list', 'PUT', path, image);
    await call('app', 'PUT', path, Buffer.from('no picture'));
    await call('app', 'PUT', `${path}/alt`, { alt: 'me' });
    await call('app', 'DELETE', path);
    await call('app', 'PUT', `${path}/current`, { version });
    await call('app', 'PUT', `${path}/aliases`, { emails: ['alice@example.org'] });
    await call('app', 'DELETE', `${path}?erase=true`);
    await call('jobs', 'DELETE', `${path}/versions/${version}`);
    await call('jobs', 'DELETE', `${path}?erase=true`);
    await call('app', 'PUT', '/v1/avatars/%20', image);
    await call('app', 'GET', `${path}/versions`);
    const alice = { by: APP, id: 'alice' };
    expect(await trailOf(harness.service)).toEqual([
      { ...alice, action: 'upload', version, outcome: 'created', status: 201 },
      { ...alice, action: 'upload', version, outcome: 'unchanged', status: 200 },
      {
        by: { kind: 'key', name: 'list' },
        id: 'alice',
        action: 'upload',
        outcome: 'refused',
        status: 403,
        code: 'insufficient_scope',
      },
      { ...alice, action: 'upload', outcome: 'refused', status: 415, code: 'unsupported_image' },
      { ...alice, action: 'describe', version, outcome: 'done', status: 200 },
      { ...alice, action: 'remove', outcome: 'done', status: 204 },
      { ...alice, action: 'restore', version, outcome: 'done', status: 200 },
      { ...alice, action: 'aliases', outcome: 'done', status: 200 },
      { ...alice, action: 'erase', outcome: 'refused', status: 403, code: 'insufficient_scope' },
      { by: JOBS, id: 'alice', action: 'erase_version', version, outcome: 'done', status: 200 },
      { by: JOBS, id: 'alice', action: 'erase', outcome: 'done', status: 200 },
      { by: APP, action: 'upload', outcome: 'refused', status: 400, code: 'invalid_id' },
    ]);
  });

  it('has one line for each avatar of a batch, and for each that an address was taken from', async () => {
    await start();
    await call('app', 'PUT', '/v1/avatars/bob/aliases', { emails: ['bob@example.org'] });
    const avatars = [
      { id: 'alice', emails: ['alice@example.org'] },
      { id: 'carol', emails: ['bob@example.org'] },
    ];
    avatars.push({ id: 'dave@example.org <a key>', emails: [] });
    await call('app', 'PUT', '/v1/aliases', { avatars });
    await call('jobs', 'PUT', '/v1/avatars/carol/aliases', { emails: ['bob@example.org'] });
    const about = { by: APP, action: 'aliases' };
    expect((await trailOf(harness.service)).slice(1)).toEqual([
      { ...about, outcome: 'done', status: 200 },
      { ...about, id: 'alice', outcome: 'done', status: 200 },
      { ...about, id: 'carol', outcome: 'refused', status: 409, code: 'alias_taken' },
      { ...about, by: JOBS, id: 'carol', outcome: 'done', status: 200 },
      { ...about, by: JOBS, id: 'bob', outcome: 'taken_from', status: 200 },
    ]);
  });

  it('has a line for each body of a known caller that ends too early', async () => {
    await start();
    for (const id of ['a', 'b', 'c']) {
      const connection = await RawConnection.open(harness.service.url);
      const sent = { Authorization: 'Bearer app', 'Content-Length': 1000 };
      connection.send(`${head('PUT', `/v1/avatars/${id}`, sent)}x`);
      await harness.spooling(1);
      connection.close();
      await harness.spooling(0);
    }
    const cut = { by: APP, action: 'upload', outcome: 'refused', status: 400, code: 'truncated_body' };
    expect(await trailOf(harness.service)).toEqual(['a', 'b', 'c'].map((id) => ({ ...cut, id })));
  });

  it('has no key, no e-mail address and no hash of one, and no address of the client', async () => {
    await start();
    const emails = ['alice@example.org'];
    await call('app', 'PUT', '/v1/avatars/alice/aliases', { emails });
    await call('app', 'PUT', '/v1/avatars/bob/aliases', { emails });
    await call('app', 'PUT', '/v1/aliases', { avatars: [{ id: 'bob', emails }] });
    await call('a-key-of-nobody', 'PUT', '/v1/avatars/bob', Buffer.from('x'));
    for (const path of ['/avatar/', '/avatars/']) await call('app', 'DELETE', `${path}alice%40example.org`);
    await harness.service.stop();
    const log = harness.service.log();
    expect(log).toContain('"alias_taken"');
    const secrets = ['Bearer', 'a-key-of-nobody', '%40', ...emails, ...hashEmail('alice@example.org')];
    for (const secret of secrets) expect(log).not.toContain(secret);
    expect(log).not.toContain('"address"');
  });

  it('has the address of the client with LOG_ADDRESSES, behind proxies that it trusts', async () => {
    await start({ LOG_ADDRESSES: 'true', TRUST_PROXY: '1' });
    const send = (headers: Record<string, string>) =>
      harness.send({ method: 'DELETE', path: '/v1/avatars/a', headers: { ...bearer('app'), ...headers } });
    await send({});
    await send({ 'x-forwarded-for': '203.0.113.9, 192.0.2.1' });
    const trail = await trailOf(harness.service, 'address');
    expect(trail.map(({ address }) => address)).toEqual(['127.0.0.1', '192.0.2.1']);
  });
});

describeS3('the log of changes by clients that have gone', () => {
  let harness: Harness;
  let proxy: FaultProxy;

  beforeAll(async () => {
    const behind = await behindProxy(await s3Environment());
    proxy = behind.proxy;
    harness = await Harness.start({ ...behind.environment, API_KEYS: KEYS.join(), LOG_ADDRESSES: 'true' });
  });
  afterAll(async () => {
    await harness.stop();
    await proxy.stop();
  });

  it('has what they have changed', async () => {
    const held = proxy.hold({ operation: 'PutObject', key: 'manifests/gone.json' });
    const body = await picture('png');
    const connection = await RawConnection.open(harness.service.url);
    const sent = { Authorization: 'Bearer app', 'Content-Length': body.length };
    connection.send(head('PUT', '/v1/avatars/gone', sent)).send(body);
    const call = await held;
    connection.reset();
    // The only one left is that of the scrape.
    while (total(await scrape(harness.service.url), 'visage_http_connections') > 1) await sleep(5);
    call.pass();
    await harness.service.logged(/"action":"upload","id":"gone"/);
    const { headers, status } = await harness.send({ path: '/v1/avatars/gone' });
    const version = headers.etag?.split(/["/]/)[1];
    expect(status).toBe(200);
    expect(await trailOf(harness.service, 'address')).toEqual([
      {
        by: APP,
        action: 'upload',
        id: 'gone',
        version,
        outcome: 'created',
        status: 201,
        address: '127.0.0.1',
      },
    ]);
  });
});
