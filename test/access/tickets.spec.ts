import { v7 as uuidv7 } from 'uuid';
import { readManifest } from '../../src/model/manifest-format.js';
import { type Answer, fileForm, problemOf } from '../http/support/client.js';
import { storedKeys } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { RawConnection, head } from '../http/support/raw.js';
import { bearer, item } from '../support/api-keys.js';
import { AvatarClient, type History, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { SIGNING_KEY, forgeTicket, ticketFrom } from '../support/tickets.js';

const WITH_TICKETS = {
  API_KEYS: [item('app', 'read+write'), item('blind', 'write'), item('jobs', 'admin')].join(),
  SIGNING_KEYS: SIGNING_KEY,
};

const USED = { status: 409, code: 'ticket_used' };
const OUTDATED = { status: 409, code: 'ticket_outdated' };
const LACKING = { status: 403, code: 'insufficient_scope' };
const FOREIGN = { status: 403, code: 'foreign_origin' };

let service: RunningService;
const app = (id: string) => new AvatarClient(service.url, id, bearer('app'));
const jobs = (id: string) => new AvatarClient(service.url, id, bearer('jobs'));
/** A browser, which has nothing but tickets. */
const browser = (id: string) => new AvatarClient(service.url, id);

describe.each(backends)('a ticket on $name', (backend) => {
  let environment: Environment;

  beforeAll(async () => {
    environment = { ...(await backend.environment()), ...WITH_TICKETS, AVATAR_HISTORY: '3' };
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const mastersOf = async (id: string) =>
    (await storedKeys(environment)).filter((key) => key.includes(`/${id}/`) && key.includes('/master'));

  it('uploads one picture, and the same again as often as one likes', async () => {
    const ticket = await ticketFrom(app('once'));
    const first = await browser('once').upload(await numbered(1), ticket);
    expect(first.status).toBe(201);
    const again = await browser('once').upload(await numbered(1), ticket);
    expect([again.status, versionOf(again)]).toEqual([200, versionOf(first)]);
    expect(problemOf(await browser('once').upload(await numbered(2), ticket))).toEqual(USED);
    for (const suffix of ['?crop=0,0,9,9', '?rotate=90']) {
      const framed = { method: 'PUT', suffix, body: await numbered(1), headers: ticket };
      expect(problemOf(await browser('once').send(framed))).toEqual(USED);
    }
    expect(await mastersOf('once')).toHaveLength(1);
    const other = await browser('once').upload(await numbered(2), await ticketFrom(app('once')));
    expect(other.status).toBe(201);
    const late = await browser('once').upload(await numbered(1), ticket);
    expect([late.status, versionOf(late)]).toEqual([200, versionOf(first)]);
    expect((await jobs('once').versions()).current).toBe(versionOf(other));
  });

  it('answers a repeated upload after its alternative text was changed, and keeps that', async () => {
    const ticket = await ticketFrom(app('alt'));
    const upload = async (alt: string, i = 1) =>
      browser('alt').send({ method: 'PUT', suffix: `?alt=${alt}`, body: await numbered(i), headers: ticket });
    const version = versionOf(await upload('first'));
    expect(problemOf(await upload('second'))).toEqual(USED);
    const body = JSON.stringify({ alt: 'third' });
    expect((await app('alt').send({ method: 'PUT', suffix: '/alt', body })).status).toBe(200);
    const again = await upload('first');
    expect([again.status, jsonOf(again)]).toMatchObject([200, { version, alt: 'third' }]);
    expect(problemOf(await upload('first', 2))).toEqual(USED);
  });

  it('is not used up by what stores nothing', async () => {
    const [ticket] = [await ticketFrom(app('kept')), await app('kept').upload(await numbered(1))];
    expect((await browser('kept').upload(Buffer.from('no picture'), ticket)).status).toBe(415);
    expect((await browser('kept').upload(await numbered(1), ticket)).status).toBe(200);
    expect((await browser('kept').upload(await numbered(2), ticket)).status).toBe(201);
  });

  it('is in the history, for admin, and in the log, but never its text', async () => {
    const ticket = await ticketFrom(app('told'));
    const [, claims = ''] = ticket.authorization.split('.');
    const { jti } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { jti: string };
    await browser('told').upload(await numbered(1), ticket);
    const [version] = (await jobs('told').versions()).versions;
    expect(version).toMatchObject({ by: { kind: 'ticket', name: jti } });
    const [unseen] = (await app('told').versions()).versions;
    expect(unseen).not.toHaveProperty('by');
    await service.logged(new RegExp(`"by":{"kind":"key","name":"app"},"action":"ticket".*"ticket":"${jti}"`));
    await service.logged(new RegExp(`"by":{"kind":"ticket","name":"${jti}"},"action":"upload"`));
    expect(service.log()).not.toContain(claims);
  });

  it('removes, and restores what the history shows it, if it is for that', async () => {
    const first = versionOf(await app('undo').upload(await numbered(1)));
    await app('undo').upload(await numbered(2));
    const upload = await ticketFrom(app('undo'));
    const [remove, restore] = [
      await ticketFrom(app('undo'), { may: ['remove'] }),
      await ticketFrom(app('undo'), { may: ['restore'] }),
    ];
    const client = browser('undo');
    const versions = (headers: Record<string, string>) => client.send({ suffix: '/versions', headers });
    for (const headers of [upload, restore]) {
      expect(problemOf(await client.delete(headers))).toEqual(LACKING);
    }
    for (const headers of [upload, remove]) {
      expect(problemOf(await client.restore(first, headers))).toEqual(LACKING);
      expect(problemOf(await versions(headers))).toEqual(LACKING);
    }
    expect(problemOf(await client.upload(await numbered(3), restore))).toEqual(LACKING);
    expect((await client.delete(remove)).status).toBe(204);
    expect(jsonOf(await versions(restore))).toMatchObject({ current: null });
    expect((await client.restore(first, restore)).status).toBe(200);
    expect((jsonOf(await versions(restore)) as History).current).toBe(first);
    expect(problemOf(await client.erase('', remove))).toEqual(LACKING);
    expect((await client.get()).status).toBe(200);
  });

  it('is void once the avatar or a version of it was erased', async () => {
    const client = browser('erased');
    const [one, two] = [
      await ticketFrom(app('erased')),
      await ticketFrom(app('erased'), { may: ['remove'] }),
    ];
    const version = versionOf(await client.upload(await numbered(1), one));
    expect((await jobs('erased').eraseVersion(version)).status).toBe(200);
    expect(problemOf(await client.upload(await numbered(1), one))).toEqual(OUTDATED);
    expect(problemOf(await client.upload(await numbered(2), one))).toEqual(OUTDATED);
    expect(problemOf(await client.delete(two))).toEqual(OUTDATED);
    const three = await ticketFrom(app('erased'), { may: ['upload', 'restore'] });
    expect((await jobs('erased').erase()).status).toBe(200);
    expect(problemOf(await client.upload(await numbered(2), three))).toEqual(OUTDATED);
    const history = await client.send({ suffix: '/versions', headers: three });
    expect(problemOf(history)).toEqual(OUTDATED);
    expect(await mastersOf('erased')).toEqual([]);
    expect((await client.upload(await numbered(2), await ticketFrom(app('erased')))).status).toBe(201);
  });

  it('is void once the history may have forgotten its upload', async () => {
    const [used, unused] = [await ticketFrom(app('long')), await ticketFrom(app('long'))];
    await browser('long').upload(await numbered(0), used);
    for (const i of [1, 2, 3]) await app('long').upload(await numbered(i));
    for (const ticket of [used, unused]) {
      expect(problemOf(await browser('long').upload(await numbered(4), ticket))).toEqual(OUTDATED);
    }
    expect((await browser('long').upload(await numbered(4), await ticketFrom(app('long')))).status).toBe(201);
  });

  it('does not pass a lock', async () => {
    await app('locked').upload(await numbered(1));
    const body = JSON.stringify({ locked: true, reason: 'from the directory' });
    expect((await jobs('locked').send({ method: 'PUT', suffix: '/lock', body })).status).toBe(200);
    const ticket = await ticketFrom(jobs('locked'), { may: ['upload', 'remove'] });
    for (const answer of [
      await browser('locked').upload(await numbered(2), ticket),
      await browser('locked').delete(ticket),
    ]) {
      expect(problemOf(answer)).toEqual({ status: 423, code: 'avatar_locked' });
    }
    expect(await mastersOf('locked')).toHaveLength(1);
  });

  it('leaves a version that is no older than the ticket, whatever the clock says', async () => {
    const ahead = Date.now() + 5000;
    const name = uuidv7({ msecs: ahead });
    const ticket = bearer(await forgeTicket('ahead', { claims: { jti: name } }));
    expect((await browser('ahead').upload(await numbered(1), ticket)).status).toBe(201);
    const object = await openBackend(environment).get('manifests/ahead.json');
    if (object === undefined || object === 'unchanged') throw new Error('there is no manifest');
    const [version] = readManifest('ahead', object.bytes).versions;
    expect(Date.parse(version?.uploadedAt ?? '')).toBeGreaterThanOrEqual(ahead);
  });
});

describe('a ticket', () => {
  let services: RunningService[];
  beforeAll(async () => {
    const environment = { ...(await local.environment()), ...WITH_TICKETS };
    const [older, newer] = ['an-older-key-with-which-tickets-were-signed', SIGNING_KEY];
    services = await startServices([
      environment,
      { ...environment, SIGNING_KEYS: `${older},${newer}` },
      { ...environment, SIGNING_KEYS: older },
      { ...environment, SIGNING_KEYS: '' },
      { ...environment, API_KEYS: '' },
    ]);
    service = at(0);
  });
  afterAll(() => Promise.all(services.map((each) => each.stop())));

  function at(index: number): RunningService {
    const found = services[index];
    if (!found) throw new RangeError('no such service');
    return found;
  }
  const make = (body: unknown, url = service.url) =>
    new AvatarClient(url, 'alice', bearer('app')).send({
      method: 'POST',
      suffix: '/tickets',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });

  it('is made for ten minutes, for as long as one asks, and kept by nobody on the way', async () => {
    for (const [body, seconds] of [
      [{}, 600],
      [{ expiresIn: 30 }, 30],
    ] as const) {
      const before = Date.now();
      const answer = await make(body);
      const after = Date.now();
      expect([answer.status, answer.headers['cache-control']]).toEqual([201, 'no-store']);
      const { ticket, expiresAt, ...rest } = jsonOf(answer) as { ticket: string; expiresAt: string };
      expect([ticket.split('.').length, rest]).toEqual([3, {}]);
      expect(Date.parse(expiresAt)).toBeGreaterThanOrEqual(before + seconds * 1000);
      expect(Date.parse(expiresAt)).toBeLessThan(after + (seconds + 1) * 1000);
    }
  });

  it.each([
    ['may', { may: [] }],
    ['may', { may: ['upload', 'upload'] }],
    ['may', { may: ['erase'] }],
    ['may', { may: 'upload' }],
    ['may', { may: null }],
    ['expiresIn', { expiresIn: 0 }],
    ['expiresIn', { expiresIn: 86_401 }],
    ['expiresIn', { expiresIn: 1.5 }],
    ['expiresIn', { expiresIn: '60' }],
    ['maxBytes', { maxBytes: 0 }],
    ['maxBytes', { maxBytes: -1 }],
    ['maxBytes', { maxBytes: '1' }],
    ['origin', { origin: '*' }],
    ['origin', { origin: 'null' }],
    ['origin', { origin: 'app.example' }],
    ['origin', { origin: 'https://*.app.example' }],
    ['origin', { origin: 'file://' }],
    ['origin', { origin: 'javascript:alert(1)' }],
    ['origin', { origin: null }],
    ['origin', { origin: ['https://app.example'] }],
    ['expires', { expires: 60 }],
  ])('is not made with a wrong %s: %j', async (parameter, body) => {
    const answer = await make(body);
    expect(problemOf(answer)).toEqual({ status: 400, code: 'invalid_ticket', parameter });
  });

  it('gives no more than the key that makes it', async () => {
    const blind = new AvatarClient(service.url, 'alice', bearer('blind'));
    const makes = (may: string[]) =>
      blind.send({ method: 'POST', suffix: '/tickets', body: JSON.stringify({ may }) });
    expect(problemOf(await makes(['upload', 'restore']))).toEqual(LACKING);
    expect((await makes(['upload', 'remove'])).status).toBe(201);
  });

  it.each(['null', '[]', '"upload"'])('is not made with %s for its body', async (body) => {
    expect(problemOf(await make(body))).toEqual({ status: 400, code: 'invalid_ticket' });
  });

  it('is not made without SIGNING_KEYS, which the answer says', async () => {
    const answer = await make({}, at(3).url);
    expect(problemOf(answer)).toEqual({ status: 404, code: 'tickets_disabled' });
    expect(answer.body.toString()).toContain('SIGNING_KEYS');
  });

  it('is signed with the first key of SIGNING_KEYS, and checked against all', async () => {
    const uploads = async (from: number, to: number) => {
      const ticket = await ticketFrom(new AvatarClient(at(from).url, 'alice', bearer('app')));
      return (await new AvatarClient(at(to).url, 'alice').upload(await picture('png'), ticket)).status;
    };
    expect([await uploads(0, 0), await uploads(0, 1), await uploads(1, 1), await uploads(1, 2)]).toEqual([
      201, 200, 200, 200,
    ]);
    expect([await uploads(0, 2), await uploads(1, 0), await uploads(0, 3)]).toEqual([401, 401, 401]);
  });

  it('holds without API_KEYS as well, where a page without one changes nothing', async () => {
    service = at(4);
    const page = { origin: 'https://app.example' };
    const ticket = await ticketFrom(new AvatarClient(service.url, 'alice'), { origin: page.origin });
    const upload = (headers: Record<string, string>, id = 'alice') => browser(id).upload(image, headers);
    const image = await numbered(1);
    expect(problemOf(await upload(page))).toEqual(FOREIGN);
    expect(problemOf(await upload({ ...page, ...bearer('what is this') }))).toEqual(FOREIGN);
    expect((await upload({ ...page, ...ticket })).status).toBe(201);
    expect(problemOf(await upload({ ...page, ...ticket }, 'bob'))).toEqual(LACKING);
    service = at(0);
  });

  it('is for pages of one origin and of its own service, if it says so, and for what is no page', async () => {
    const terms = { may: ['upload', 'restore'] };
    const written = 'https://APP.example:443/profile?edit';
    const ticket = await ticketFrom(app('origin'), { ...terms, origin: written });
    const open = await ticketFrom(app('origin'), terms);
    const image = await numbered(1);
    const versions = (headers: Record<string, string>) =>
      browser('origin').send({ suffix: '/versions', headers });
    const own = new URL(service.url).origin;
    for (const headers of [{}, { origin: 'https://app.example' }, { origin: own }]) {
      expect([200, 201]).toContain((await browser('origin').upload(image, { ...ticket, ...headers })).status);
      expect((await versions({ ...ticket, ...headers })).status).toBe(200);
    }
    for (const origin of ['https://evil.example', 'http://app.example', 'https://app.example:444', 'null']) {
      const answer = await browser('origin').upload(image, { ...ticket, origin });
      expect([origin, problemOf(answer)]).toEqual([origin, FOREIGN]);
      expect(problemOf(await versions({ ...ticket, origin }))).toEqual(FOREIGN);
      expect((await versions({ ...open, origin })).status).toBe(200);
    }
  });

  it.each(['a bare picture', 'a form'])('limits the bytes of %s', async (kind) => {
    const image = await numbered(1);
    const sendable = kind === 'a form' ? fileForm(image) : { body: image };
    const upload = async (maxBytes: number) => {
      const ticket = await ticketFrom(app(`bytes-${kind.length}`), { maxBytes });
      const headers = { ...sendable.headers, ...ticket };
      return browser(`bytes-${kind.length}`).send({ method: 'POST', ...sendable, headers });
    };
    expect(problemOf(await upload(image.length - 1))).toEqual({ status: 413, code: 'upload_too_large' });
    expect((await upload(image.length)).status).toBe(201);
    expect((await upload(1e15)).status).toBe(200);
  });

  it('never raises the most that is accepted', async () => {
    const ticket = await ticketFrom(app('most'), { maxBytes: 1e15 });
    const answer = await browser('most').upload(Buffer.alloc(5 * 1024 * 1024 + 1), ticket);
    expect(problemOf(answer)).toEqual({ status: 413, code: 'upload_too_large' });
  });

  it('has to be good when the request begins, not when it ends', async () => {
    const exp = Math.ceil(Date.now() / 1000) + 1;
    const ticket = bearer(await forgeTicket('slow', { claims: { exp } }));
    const image = await numbered(1);
    const connection = await RawConnection.open(service.url);
    const headers = { Authorization: ticket.authorization, 'Content-Length': image.length };
    connection.send(head('PUT', '/v1/avatars/slow', headers)).send(image.subarray(0, 10));
    let other: Answer;
    do other = await browser('other').upload(image, ticket);
    while (problemOf(other).code === 'insufficient_scope');
    expect(problemOf(other)).toEqual({ status: 401, code: 'ticket_expired' });
    connection.send(image.subarray(10));
    expect((await connection.answer()).status).toBe(201);
    connection.close();
  });

  it('does nothing in a query', async () => {
    const [, ticket = ''] = (await ticketFrom(app('query'))).authorization.split(' ');
    for (const name of ['ticket', 'access_token']) {
      const upload = { method: 'PUT', suffix: `?${name}=${ticket}`, body: await numbered(1) };
      expect((await browser('query').send(upload)).status).toBe(401);
    }
    expect((await browser('query').get()).status).toBe(404);
  });
});

describeS3('a ticket while the bucket is away', () => {
  let proxy: FaultProxy;
  beforeAll(async () => {
    const bucket = { ...(await s3Environment()), ...WITH_TICKETS, CONSTANT_STORAGE_S3_ATTEMPTS: '1' };
    const behind = await behindProxy(bucket);
    ({ proxy } = behind);
    service = await startService(behind.environment);
  });
  afterAll(async () => {
    await service.stop();
    await proxy.stop();
  });

  it('is made, and does nothing until the bucket is back', async () => {
    const first = versionOf(await app('away').upload(await numbered(1)));
    await app('away').upload(await numbered(2));
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    const ticket = await ticketFrom(app('away'), { may: ['upload', 'remove', 'restore'] });
    for (const change of [
      browser('away').upload(await numbered(3), ticket),
      browser('away').delete(ticket),
      browser('away').restore(first, ticket),
    ]) {
      expect(problemOf(await change)).toEqual({ status: 503, code: 'storage_unavailable' });
    }
    proxy.clear();
    let answer: Answer;
    do answer = await browser('away').upload(await numbered(3), ticket);
    while (answer.status === 503);
    expect(answer.status).toBe(201);
    expect((await jobs('away').versions()).versions).toHaveLength(3);
  });

  it('answers a repeated upload whose first answer was lost as that one', async () => {
    const ticket = await ticketFrom(app('lost'));
    const fault = { type: 'error', status: 503, code: 'SlowDown', committed: true } as const;
    proxy.rule({ operation: 'PutObject', key: 'manifests/lost.json', fault, thenAll: true });
    const upload = async (i: number) => browser('lost').upload(await numbered(i), ticket);
    expect((await upload(1)).status).toBe(503);
    proxy.clear();
    let again: Answer;
    do again = await upload(1);
    while (again.status === 503);
    expect(again.status).toBe(200);
    expect(problemOf(await upload(2))).toEqual(USED);
  });
});
