import { hashEmail } from '../../src/model/alias.js';
import { backends, openBackend } from '../support/backends.js';
import { AvatarClient, expectStatus, jsonOf, numbered, versionOf } from '../support/avatar-client.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { problemOf, send } from './support/client.js';

const UNKNOWN = '01900000-0000-7000-8000-000000000000';
const IMMUTABLE = '200 public, max-age=31536000, immutable';
const NEVER = '404 no-store';

describe.each(backends)('what is left of a deleted picture on $name', (backend) => {
  let environment: Environment;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await backend.environment()), AVATAR_HISTORY: '3', AVATAR_WARM_SIZES: '0' };
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const uploaded = async (client: AvatarClient) =>
    versionOf(expectStatus(201, await client.upload(await numbered(++count))));
  /** An avatar with two versions, of which the second one is current, and an address. */
  const prepare = async () => {
    const id = `deleted-${++count}`;
    const client = new AvatarClient(service.url, id);
    const [first, second] = [await uploaded(client), await uploaded(client)];
    const email = `${id}@example.org`;
    expectStatus(200, await client.setAliases({ emails: [email] }));
    return { id, client, first, second, hash: hashEmail(email)[0] ?? '' };
  };
  type Prepared = Awaited<ReturnType<typeof prepare>>;
  /** Status and Cache-Control of everything that shows a picture. */
  const table = async ({ client: { path }, first, second, hash }: Prepared) => {
    const seen = async (route: string) => {
      const { status, headers } = await send(service.url, { path: route });
      return `${status} ${headers['cache-control'] ?? ''}`;
    };
    return {
      first: await seen(`${path}/${first}/master.jpeg`),
      'first, small': await seen(`${path}/${first}/16.webp`),
      second: await seen(`${path}/${second}/master.jpeg`),
      'second, small': await seen(`${path}/${second}/16.webp`),
      current: (await seen(`${path}?default=404`)).slice(0, 3),
      hash: (await seen(`/avatar/${hash}?d=404`)).slice(0, 3),
      info: await seen(`${path}/info`),
      url: await seen(`${path}/url`),
      exists: await seen(`${path}/exists`),
    };
  };
  const SHOWN = {
    first: IMMUTABLE,
    'first, small': IMMUTABLE,
    second: IMMUTABLE,
    'second, small': IMMUTABLE,
    current: '200',
    hash: '200',
    info: '200 no-cache',
    url: '200 no-cache',
    exists: '200 no-cache',
  };
  const HIDDEN = {
    first: NEVER,
    'first, small': NEVER,
    second: NEVER,
    'second, small': NEVER,
    current: '404',
    hash: '404',
    info: NEVER,
    url: NEVER,
    exists: '200 no-cache',
  };
  const keysOf = async ({ id }: Prepared) => {
    const found: string[] = [];
    for await (const { key } of openBackend(environment).list(`avatars/${id}/`)) found.push(key);
    return found;
  };

  it('hides every picture of an avatar until one is restored, and says which one that would be', async () => {
    const avatar = await prepare();
    const { client, first, second } = avatar;
    expect(await table(avatar)).toEqual(SHOWN);
    expect(await client.versions()).not.toHaveProperty('hidden');

    expectStatus(200, await client.restore(first));
    expectStatus(204, await client.delete());
    expect(await table(avatar)).toEqual(HIDDEN);
    const { current, hidden, versions } = await client.versions();
    expect([current, hidden, versions.length]).toEqual([null, first, 2]);
    // Deleting nothing changes nothing.
    expectStatus(204, await client.delete());
    expect((await client.versions()).hidden).toBe(first);

    expectStatus(200, await client.restore(hidden ?? ''));
    expect(await table(avatar)).toEqual(SHOWN);
    expect(await client.versions()).not.toHaveProperty('hidden');
    expectStatus(204, await client.delete());
    // An upload shows the history again as well.
    const third = await uploaded(client);
    expect(await table(avatar)).toEqual(SHOWN);
    expect(await client.versions()).toMatchObject({
      current: third,
      versions: [{}, { version: second }, {}],
    });
  });

  it('erases one version and nothing else', async () => {
    const avatar = await prepare();
    const { client, first, second, hash } = avatar;
    await table(avatar);
    const before = await client.versions();
    const receipt = jsonOf(
      expectStatus(200, await client.eraseVersion(first, { 'x-request-id': 'photo-1' })),
    );
    expect(receipt).toMatchObject({ id: avatar.id, version: first, pending: false });
    const { erasedAt, objects, bytes } = receipt as { erasedAt: string; objects: number; bytes: number };
    expect(objects).toBeGreaterThanOrEqual(1);
    expect(bytes).toBeGreaterThan(0);
    expect((await keysOf(avatar)).filter((key) => key.includes(first))).toEqual([]);
    expect(await table(avatar)).toEqual({ ...SHOWN, first: NEVER, 'first, small': NEVER });
    expect(await client.versions()).toEqual({
      ...before,
      versions: before.versions.filter(({ version }) => version === second),
    });
    expect(jsonOf(await client.get('/aliases'))).toMatchObject({
      hashes: expect.arrayContaining([hash]) as [],
    });
    expect(problemOf(await client.restore(first)).code).toBe('version_not_found');
    const fields = { version: first, erasedAt, objects, bytes };
    const told = JSON.stringify({ id: avatar.id, ...fields, requestId: 'photo-1' }).slice(1, -1);
    await service.logged(new RegExp(`"level":30,.*${told},.*"msg":"erased a version of an avatar"`));

    // Once more: what lies there again is removed, and the receipt has the first date.
    await openBackend(environment).store(`avatars/${avatar.id}/${first}/64.png`, Buffer.from('x'));
    const again = jsonOf(expectStatus(200, await client.eraseVersion(first)));
    expect(again).toMatchObject({ version: first, erasedAt, objects: 1, bytes: 1 });
    expect(jsonOf(await client.eraseVersion(first))).toMatchObject({ erasedAt, objects: 0, bytes: 0 });
  });

  it('hides the avatar if the current version is erased, and shows no older picture instead', async () => {
    const avatar = await prepare();
    const { client, first, second } = avatar;
    await table(avatar);
    expectStatus(200, await client.eraseVersion(second));
    expect((await keysOf(avatar)).filter((key) => key.includes(second))).toEqual([]);
    expect(await table(avatar)).toEqual(HIDDEN);
    const history = await client.versions();
    expect(history).toMatchObject({ current: null, versions: [{ version: first }] });
    expect(history).not.toHaveProperty('hidden');
    expectStatus(200, await client.restore(first));
    expect(await table(avatar)).toEqual({ ...SHOWN, second: NEVER, 'second, small': NEVER });
    // The same bytes are another version.
    expectStatus(200, await client.eraseVersion(first));
    expect(versionOf(expectStatus(201, await client.upload(await numbered(count))))).not.toBe(second);
  });

  it('erases the hidden version, which can then not be restored', async () => {
    const { client, second } = await prepare();
    expectStatus(204, await client.delete());
    expect((await client.versions()).hidden).toBe(second);
    expectStatus(200, await client.eraseVersion(second));
    expect(await client.versions()).not.toHaveProperty('hidden');
  });

  it('erases a version that has left the history but is still served', async () => {
    const avatar = await prepare();
    const { client, first } = avatar;
    for (let i = 0; i < 2; i++) await uploaded(client);
    expectStatus(200, await client.get(`/${first}/master.jpeg`));
    expect((await client.versions()).versions.map(({ version }) => version)).not.toContain(first);
    expect(jsonOf(expectStatus(200, await client.eraseVersion(first)))).toMatchObject({ objects: 1 });
    expectStatus(404, await client.get(`/${first}/master.jpeg`));
    expect((await keysOf(avatar)).filter((key) => key.includes(first))).toEqual([]);
  });

  it('refuses to erase what is no version or none of this avatar, and conditions', async () => {
    const { client, first } = await prepare();
    const other = await prepare();
    expect(problemOf(await client.eraseVersion('x'))).toEqual({
      status: 400,
      code: 'invalid_version',
      parameter: 'version',
    });
    for (const version of [UNKNOWN, other.first]) {
      expect(problemOf(await client.eraseVersion(version))).toEqual({
        status: 404,
        code: 'version_not_found',
      });
    }
    for (const headers of [{ 'if-match': `"${first}"` }, { 'if-none-match': '*' }]) {
      expect(problemOf(await client.eraseVersion(first, headers)).code).toBe('invalid_precondition');
    }
    expectStatus(200, await other.client.get(`/${other.first}/master.jpeg`));
    expectStatus(200, await client.get(`/${first}/master.jpeg`));
    expect(problemOf(await new AvatarClient(service.url, 'nobody').eraseVersion(UNKNOWN)).status).toBe(404);
  });

  it('names the current version when a condition is not met', async () => {
    const { client, first, second } = await prepare();
    const current = async (answer: ReturnType<AvatarClient['delete']>) =>
      (jsonOf(expectStatus(412, await answer)) as { current: unknown }).current;
    expect(await current(client.delete({ 'if-match': `"${first}"` }))).toBe(second);
    expect(await current(client.upload(await numbered(1), { 'if-none-match': '*' }))).toBe(second);
    expectStatus(204, await client.delete());
    expect(await current(client.restore(first, { 'if-match': '*' }))).toBeNull();
  });
});
