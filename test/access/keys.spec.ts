import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scrape } from '../ops/support.js';
import { type Answer, problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { local } from '../support/local.js';
import { bearer, callsTo, item, sumOf } from '../support/api-keys.js';

const ALICE = createHash('md5').update('alice@example.org').digest('hex');
const BOB = createHash('md5').update('bob@example.org').digest('hex');

const OTHER_IDS = { code: 'insufficient_scope', detail: expect.stringContaining('shop-') as string };

describe('keys with names, scopes and prefixes', () => {
  let harness: Harness;
  let environment: Record<string, string>;
  let image: Buffer;

  beforeAll(async () => {
    image = await picture('png');
    const keys = [
      item('shop', 'read+write', 'shop-'),
      item('shop-admin', 'admin', 'shop-'),
      item('app', 'read+write'),
      item('jobs', 'admin'),
      sumOf('bare'),
      item('unused', 'read'),
    ];
    environment = { ...(await local.environment()), API_KEYS: keys.join() };
    harness = await Harness.start(environment, { headers: bearer('jobs') });
    await call('jobs', 'PUT', '/v1/avatars/forum-bob/aliases', { emails: ['bob@example.org'] });
    await call('jobs', 'PUT', '/v1/avatars/shop-alice/aliases', { emails: ['alice@example.org'] });
  });
  afterAll(() => harness.stop());

  const call = callsTo(() => harness.service.url);

  const json = ({ body }: Answer) => JSON.parse(body.toString()) as Record<string, object>;

  it('look up only avatars that they are for, by id and by address', async () => {
    const hashes = [ALICE, BOB, 'f'.repeat(32)];
    const asked = { ids: ['shop-alice', 'forum-bob', '!'], hashes };
    const answer = await call('shop', 'POST', '/v1/avatars/lookup', asked);
    expect(json(answer)).toMatchObject({
      avatars: {
        'shop-alice': { id: 'shop-alice' },
        'forum-bob': { error: OTHER_IDS },
        '!': { error: { code: 'invalid_id' } },
      },
      hashes: { [ALICE]: { id: 'shop-alice' }, [BOB]: { error: OTHER_IDS }, [hashes[2] ?? '']: { id: null } },
    });
    expect(answer.body.toString().match(/forum-bob/g)).toHaveLength(1);
    expect(json(await call('app', 'POST', '/v1/avatars/lookup', asked))).toMatchObject({
      hashes: { [BOB]: { id: 'forum-bob' } },
    });
  });

  it('register addresses only for avatars that they are for', async () => {
    const avatars = [
      { id: 'forum-eve', emails: ['eve@example.org'] },
      { id: 'shop-eve', emails: ['eve@example.org'] },
    ];
    const answer = json(await call('shop', 'PUT', '/v1/aliases', { avatars }));
    expect(answer['avatars']).toMatchObject([
      { id: 'forum-eve', status: 403, error: OTHER_IDS },
      { id: 'shop-eve', status: 200, takenFrom: {} },
    ]);
  });

  it.each([
    ['app', 'forum-bob'],
    ['shop', null],
    ['shop-admin', null],
  ])('take no address from another avatar: %s', async (key, told) => {
    const emails = ['bob@example.org'];
    const path = '/v1/avatars/shop-carol/aliases';
    const refused = await call(key, 'PUT', path, { emails });
    expect(problemOf(refused)).toEqual({ status: 409, code: 'alias_taken' });
    expect(json(refused)['taken']).toMatchObject({ [BOB]: told });
    const batch = json(await call(key, 'PUT', '/v1/aliases', { avatars: [{ id: 'shop-carol', emails }] }));
    expect(batch['avatars']).toMatchObject([{ status: 409, error: { taken: { [BOB]: told } } }]);
    expect(json(await call('jobs', 'GET', '/v1/avatars/forum-bob/aliases'))['hashes']).toContain(BOB);
    expect(json(await call('jobs', 'GET', path))['hashes']).toEqual([]);
  });

  it('with admin take addresses over, unless they are asked not to', async () => {
    const emails = ['dave@example.org'];
    await call('app', 'PUT', '/v1/avatars/old-dave/aliases', { emails });
    const path = '/v1/avatars/new-dave/aliases';
    expect((await call('jobs', 'PUT', `${path}?ifFree=true`, { emails })).status).toBe(409);
    const { takenFrom: taken = {} } = json(await call('bare', 'PUT', path, { emails }));
    expect(Object.values(taken)).toEqual(['old-dave', 'old-dave']);
  });

  it('are told in the history to admin alone, and are kept with the version', async () => {
    const path = '/v1/avatars/shop-history';
    await call('shop', 'PUT', path, image);
    await call('bare', 'PUT', path, await picture('gif'));
    // The same bytes again, by somebody else: nothing is uploaded.
    expect((await call('jobs', 'PUT', path, await picture('gif'))).status).toBe(200);
    const byOf = async (key: string) => {
      const { versions } = json(await call(key, 'GET', `${path}/versions`)) as {
        versions: { by?: object }[];
      };
      return versions.map(({ by }) => by);
    };
    const both = [
      { kind: 'key', name: 'key5' },
      { kind: 'key', name: 'shop' },
    ];
    expect(await byOf('jobs')).toEqual(both);
    expect(await byOf('shop-admin')).toEqual(both);
    expect(await byOf('app')).toEqual([undefined, undefined]);
    expect((await call('jobs', 'GET', `${path}/info`)).body.toString()).not.toContain('"by"');
    const folder = join(environment['STORAGE_LOCAL_PATH'] ?? '', 'manifests');
    const stored = JSON.parse(await readFile(join(folder, 'shop-history.json'), 'utf8')) as {
      versions: { by: object }[];
    };
    expect(stored.versions.map(({ by }) => by)).toEqual(both);
  });

  it('are counted by name, those that nobody uses with 0', async () => {
    const uses = async () => {
      const metric = (await scrape(harness.service.url)).get('visage_api_key_requests_total');
      const samples = metric?.samples ?? [];
      return Object.fromEntries(samples.map(({ labels, value }) => [labels['key'] ?? '', value]));
    };
    const before = await uses();
    expect(Object.keys(before)).toEqual(['shop', 'shop-admin', 'app', 'jobs', 'key5', 'unused']);
    expect(before['unused']).toBe(0);
    await call('app', 'GET', '/v1/avatars/shop-alice/versions');
    await call('app', 'DELETE', '/v1/avatars/shop-alice?erase=true');
    await call('nobody', 'GET', '/v1/avatars/shop-alice/versions');
    await call('app', 'GET', '/v1/avatars/shop-alice/info');
    expect(await uses()).toEqual({ ...before, app: (before['app'] ?? 0) + 2 });
  });
});
