import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { v7 as uuidv7 } from 'uuid';
import { statusOf } from '../../src/storage/s3/s3-errors.js';
import { backends, openBackend } from '../support/backends.js';
import { s3Client, testS3 } from '../support/s3.js';
import { AvatarClient, expectStatus, jsonOf, lookup, numbered, versionOf } from '../support/avatar-client.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { type Answer, problemOf } from './support/client.js';
import { linesWith } from '../support/log-lines.js';

const GRACE_MS = 300_000;

/** Beyond the grace; an S3 server takes no signature that is off by more than 15 minutes. */
const AHEAD_MS = 2 * GRACE_MS;
const CLOCK_AHEAD = `globalThis.Date = class extends Date {
  static now() { return super.now() + ${AHEAD_MS}; }
  constructor(...parts) { super(...(parts.length > 0 ? parts : [Date.now()])); }
};`;

/** As another program does, under a key that Visage would not use. */
async function putForeign(environment: Environment, key: string): Promise<void> {
  const { STORAGE_LOCAL_PATH: root, STORAGE_S3_BUCKET: Bucket } = environment;
  if (root !== undefined) await writeFile(join(root, key), 'foreign');
  else if (testS3) await s3Client(testS3).send(new PutObjectCommand({ Bucket, Key: key, Body: 'foreign' }));
}

/** Names that a server which keeps objects as files may refuse. @returns whether it took the object */
async function putIfTaken(environment: Environment, key: string): Promise<boolean> {
  try {
    await putForeign(environment, key);
    return true;
  } catch (error) {
    if (statusOf(error) !== 400) throw error;
    return false;
  }
}

interface Receipt {
  erasedAt: string;
  objects: number;
  bytes: number;
  aliases: number;
}

type Json = Record<string, unknown>;

/** What a manifest may look like once something else has written it, and what is wrong with it. */
const DAMAGED: readonly [what: string, damage: (manifest: Json, version: Json) => unknown, reason: string][] =
  [
    ['no manifest', () => [], 'it has to be an object'],
    ['no version', (manifest) => ({ ...manifest, versions: [null] }), 'versions[0] has to be an object'],
    ['a number that is current', (manifest) => ({ ...manifest, current: 7 }), 'current has to be a UUIDv7'],
    [
      'an unknown master',
      (manifest, version) => ({ ...manifest, versions: [{ ...version, master: '../../x' }] }),
      'versions[0].master has to be jpeg or webp',
    ],
    [
      'an edge of nothing',
      (manifest, version) => ({ ...manifest, versions: [{ ...version, width: 0 }] }),
      'versions[0].width has to be a whole number',
    ],
    ['no date', (manifest) => ({ ...manifest, erasedAt: '2026-13-01' }), 'erasedAt has to be a time'],
    ['hashes of nothing', (manifest) => ({ ...manifest, aliases: {} }), 'aliases.at has to be a time'],
  ];

const UNKNOWN = '01900000-0000-7000-8000-000000000000';

describe.each(backends)('the history on $name', (backend) => {
  let environment: Environment;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    environment = {
      ...(await backend.environment()),
      AVATAR_HISTORY: '3',
      AVATAR_GRACE_MS: String(GRACE_MS),
      CACHE_MAX_AGE_MS: '0',
    };
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const avatar = () => new AvatarClient(service.url, `avatar-${++count}`);
  const uploaded = async (client: AvatarClient, i: number) =>
    versionOf(expectStatus(201, await client.upload(await numbered(i))));
  const erased = async (client: AvatarClient, ...how: Parameters<AvatarClient['erase']>) =>
    jsonOf(expectStatus(200, await client.erase(...how))) as Receipt;
  const idOf = (client: AvatarClient) => client.path.split('/').at(-1) ?? '';
  const keys = async (client: AvatarClient) => {
    const found: string[] = [];
    for await (const { key } of openBackend(environment).list(`avatars/${idOf(client)}/`)) found.push(key);
    return found;
  };
  /** The version of each key. */
  const stored = async (client: AvatarClient) =>
    (await keys(client)).map((key) => key.split('/')[2] ?? '').sort();

  it('lists versions newest first, restores one and forgets none that is kept', async () => {
    const client = avatar();
    expect(await client.versions()).toMatchObject({ current: null, versions: [] });
    const first = await uploaded(client, 1);
    const second = await uploaded(client, 2);
    const { current, versions } = await client.versions();
    expect([current, versions.map(({ version }) => version)]).toEqual([second, [second, first]]);
    for (const { urls } of versions) {
      const { pathname } = new URL(urls['master'] ?? '');
      expect(pathname.startsWith('/v1/avatars/')).toBe(true);
    }

    const restored = expectStatus(200, await client.restore(first));
    expect([versionOf(restored), restored.headers.etag]).toEqual([first, `"${first}"`]);
    expect((await client.get()).headers.etag).toBe(`"${first}/master.jpeg"`);
    expectStatus(200, await client.restore(first));
    expect((await client.versions()).versions.map(({ version }) => version)).toEqual([second, first]);

    expectStatus(204, await client.delete());
    expectStatus(404, await client.get());
    expect(await client.versions()).toMatchObject({ current: null, versions: [{}, {}] });
    expectStatus(200, await client.restore(second));
    expectStatus(200, await client.get());
  });

  it('refuses to restore what is no version, or not in the history, or not expected', async () => {
    const client = avatar();
    const first = await uploaded(client, 1);
    const refused = async (body: string) =>
      problemOf(await client.send({ method: 'PUT', suffix: '/current', body }));
    expect(await refused('{')).toMatchObject({ status: 400, code: 'invalid_json' });
    expect(await refused('')).toMatchObject({ status: 400, code: 'invalid_json' });
    for (const body of ['null', '[]', '{}', '{"version":1}', '{"version":"x"}']) {
      expect(await refused(body)).toEqual({ status: 400, code: 'invalid_version', parameter: 'version' });
    }
    expect(await refused(`"${'x'.repeat(5000)}"`)).toMatchObject({ status: 413, code: 'upload_too_large' });
    expect(await refused(JSON.stringify({ version: UNKNOWN }))).toEqual({
      status: 404,
      code: 'version_not_found',
    });
    const second = await uploaded(client, 2);
    expectStatus(412, await client.restore(first, { 'if-match': `"${first}"` }));
    expectStatus(200, await client.restore(first, { 'if-match': `"${second}"` }));
  });

  it('erases every version and rendition, answers with a receipt, and can be asked again', async () => {
    const client = avatar();
    const first = await uploaded(client, 1);
    await uploaded(client, 2);
    const rendition = `/${first}/16.webp`;
    expectStatus(200, await client.get(rendition));
    while (!(await keys(client)).some((key) => key.endsWith('16.webp'))) await sleep(10);
    const stored = await keys(client);
    expect(stored).toHaveLength(3);

    const receipt = jsonOf(expectStatus(200, await client.erase())) as { erasedAt: string };
    expect(receipt).toMatchObject({ objects: 3, pending: false, bytes: expect.any(Number) as number });
    expect(await keys(client)).toEqual([]);
    expectStatus(404, await client.get());
    expectStatus(404, await client.get(rendition));
    expectStatus(404, await client.get(`/${first}/master.jpeg`));
    expect(await client.versions()).toMatchObject({
      current: null,
      versions: [],
      erasedAt: receipt.erasedAt,
    });
    expectStatus(404, await client.restore(first));

    expect(jsonOf(expectStatus(200, await client.erase()))).toMatchObject({ objects: 0, bytes: 0 });
    expectStatus(200, await new AvatarClient(service.url, 'never-seen').erase());
    await uploaded(client, 3);
    expectStatus(200, await client.get());
  });

  it('confirms an erasure that finds nothing newer, and clears away what lies there again', async () => {
    const client = avatar();
    const version = await uploaded(client, 1);
    const { erasedAt } = await erased(client);
    await openBackend(environment).store(`avatars/${idOf(client)}/${version}/master.jpeg`, Buffer.from('x'));
    expect(await erased(client)).toMatchObject({ erasedAt, objects: 1, bytes: 1 });
    expect(await keys(client)).toEqual([]);
    expect(await client.versions()).toMatchObject({ erasedAt });

    // Anything that came since is to be erased, and so is a change that another replica may still carry out.
    await uploaded(client, 2);
    const second = await erased(client);
    expect(second.erasedAt > erasedAt).toBe(true);
    expectStatus(200, await client.setAliases({ hashes: ['c160f8cc69a4f0bf2b0362752353d060'] }));
    const third = await erased(client);
    expect(third.erasedAt > second.erasedAt).toBe(true);
    expect(third.aliases).toBe(1);
    expect((await erased(client)).erasedAt).toBe(third.erasedAt);
  });

  it('erases what an upload that was cut left since the last erasure', async () => {
    const client = avatar();
    await uploaded(client, 1);
    const { erasedAt } = await erased(client);
    await openBackend(environment).store(
      `avatars/${idOf(client)}/${uuidv7({ msecs: Date.parse(erasedAt) + 1 })}/master.jpeg`,
      Buffer.from('no manifest names it'),
    );
    expect(await erased(client)).toMatchObject({ erasedAt, objects: 1 });
    expect(await keys(client)).toEqual([]);
  });

  it('erases what something else put beside the pictures, whatever its name is', async () => {
    const client = avatar();
    await uploaded(client, 1);
    const folder = `avatars/${idOf(client)}`;
    const names = backend.name === 's3' ? ['.DS_Store', 'a b.jpg', 'ü.jpg'] : ['a b.jpg', 'ü.jpg'];
    for (const name of names) await putForeign(environment, `${folder}/${name}`);
    let objects = names.length + 1;
    for (const name of backend.name === 's3' ? ['', '/x.jpg'] : []) {
      if (await putIfTaken(environment, `${folder}/${name}`)) objects++;
    }
    expect(await erased(client)).toMatchObject({ objects });
    expect(await keys(client)).toEqual([]);
  });

  it('erases up to an instant, and leaves what is newer', async () => {
    const client = avatar();
    const first = await uploaded(client, 1);
    const { erasedAt } = await erased(client);
    const second = await uploaded(client, 2);
    expectStatus(200, await client.setAliases({ hashes: ['d160f8cc69a4f0bf2b0362752353d060'] }));
    expectStatus(200, await client.get());
    // As a backup brings it back.
    await openBackend(environment).store(`avatars/${idOf(client)}/${first}/master.jpeg`, Buffer.from('x'));
    const again = await erased(client, `&before=${erasedAt}`);
    expect(again).toMatchObject({ erasedAt, objects: 1, bytes: 1, aliases: 0, pending: false });
    expect((await client.get()).headers.etag).toBe(`"${second}/master.jpeg"`);
    expect(await stored(client)).toEqual([second]);
    expect(jsonOf(await client.get('/aliases'))).toMatchObject({ hashes: [expect.any(String)] });

    const third = await uploaded(client, 3);
    const uploadedAt = (await client.versions()).versions[1]?.uploadedAt ?? '';
    expect((await erased(client, `&before=${uploadedAt}`)).erasedAt).toBe(uploadedAt);
    expect((await client.versions()).versions.map(({ version }) => version)).toEqual([third]);
    expectStatus(404, await client.get(`/${second}/master.jpeg`));
    expect(await stored(client)).toEqual([third]);
    // An instant before the last erasure brings nothing back.
    expect((await erased(client, `&before=${erasedAt}`)).erasedAt).toBe(uploadedAt);
  });

  it('tells in its log what an erasure removed, and who asked for it', async () => {
    const client = avatar();
    await uploaded(client, 1);
    expectStatus(200, await client.setAliases({ hashes: ['e160f8cc69a4f0bf2b0362752353d060'] }));
    const { erasedAt, bytes } = await erased(client, '', { 'x-request-id': 'erasure-1' });
    const fields = { id: idOf(client), erasedAt, objects: 1, bytes, aliases: 1, requestId: 'erasure-1' };
    const told = JSON.stringify(fields).slice(1, -1);
    await service.logged(new RegExp(`"level":30,.*${told},.*"msg":"erased an avatar"`));
  });

  it('takes before=<instant> as receipts have it, with erase=true only', async () => {
    const client = avatar();
    await uploaded(client, 1);
    const ahead = new Date(Date.now() + 2 * 86_400_000).toISOString();
    const past = '2026-01-31T12:00:00.000Z';
    const bad = ['', 'yesterday', '2026-01-31', '2026-01-31T12:00:00Z', '2026-02-30T12:00:00.000Z', ahead];
    const queries = [
      ...bad.map((before) => `?erase=true&before=${before}`),
      `?erase=true&before=${past}&before=${past}`,
      `?before=${past}`,
      `?erase=false&before=${past}`,
    ];
    for (const suffix of queries) {
      expect(problemOf(await client.send({ method: 'DELETE', suffix }))).toEqual({
        status: 400,
        code: 'invalid_before',
        parameter: 'before',
      });
    }
    expect((await client.versions()).versions).toHaveLength(1);
    // As the receipt of a replica has it whose clock is ahead.
    const soon = new Date(Date.now() + 120_000).toISOString();
    expect((await erased(client, `&before=${soon}`)).erasedAt).toBe(soon);
    await uploaded(client, 2);
  });

  it.each(DAMAGED)(
    'answers 503 for an avatar whose manifest has %s, and logs it once',
    async (_, damage, reason) => {
      const client = avatar();
      const version = await uploaded(client, 1);
      const healthy = avatar();
      await uploaded(healthy, 1);
      const store = openBackend(environment);
      const key = `manifests/${idOf(client)}.json`;
      const object = await store.get(key);
      if (object === undefined || object === 'unchanged') throw new Error(`there is no ${key}`);
      const manifest = JSON.parse(object.bytes.toString()) as { versions: Json[] };
      const damaged = Buffer.from(JSON.stringify(damage(manifest, manifest.versions[0] ?? {})));
      await store.store(key, damaged);

      const calls: (() => Promise<Answer>)[] = [
        ...['', '?size=64&default=identicon', '/info', '/exists', '/url', '/versions', '/aliases'].map(
          (suffix) => () => client.get(suffix),
        ),
        () => client.get(`/${version}/master.jpeg`),
        async () => client.upload(await numbered(2)),
        () => client.restore(version),
        () => client.setAliases({ emails: ['ada@example.org'] }),
        () => client.delete(),
        () => client.erase(),
      ];
      const answers: Answer[] = [];
      for (const call of calls) answers.push(await call());
      expect(answers.map(problemOf)).toEqual(
        answers.map(() => ({ status: 503, code: 'manifest_unreadable' })),
      );
      const [id, other] = [idOf(client), idOf(healthy)];
      const { avatars } = await lookup(service.url, { ids: [id, other] });
      expect(avatars[id]).toMatchObject({ error: { code: 'manifest_unreadable' } });
      expect(avatars[other]).toMatchObject({ default: false });
      // Nothing of it was changed or deleted, and others are not touched by it.
      expect(await store.get(key)).toMatchObject({ bytes: damaged });
      expect(await stored(client)).toContain(version);
      expectStatus(200, await healthy.get());

      const last = String(answers.at(-1)?.headers['x-request-id']);
      await service.logged(new RegExp(`"reqId":"${last}".*"msg":"request"`));
      expect(linesWith(service, key)).toEqual([
        expect.objectContaining({ key, reason: expect.stringContaining(reason) as string }),
      ]);

      await store.store(key, object.bytes);
      expectStatus(200, await client.get());
      expect(await client.versions()).toMatchObject({ current: version });
    },
  );

  it('takes erase=true or false, and no precondition with it', async () => {
    const client = avatar();
    await uploaded(client, 1);
    const refused = (suffix: string, headers = {}) => client.send({ method: 'DELETE', suffix, headers });
    for (const suffix of ['?erase=yes', '?erase=', '?erase', '?erase=true&erase=true']) {
      expect(problemOf(await refused(suffix))).toEqual({
        status: 400,
        code: 'invalid_erase',
        parameter: 'erase',
      });
    }
    expect(problemOf(await refused('?erase=true', { 'if-match': '*' }))).toMatchObject({ status: 400 });
    expectStatus(204, await refused('?erase=false'));
    expect((await client.versions()).versions).toHaveLength(1);
  });

  it('never brings back an upload that an erasure overtook', async () => {
    for (let round = 0; round < 10; round++) {
      const client = avatar();
      const bodies = await Promise.all([1, 2, 3].map((i) => numbered(round * 10 + i)));
      const uploads = bodies.map((body) => client.upload(body));
      await sleep(round * 5);
      const { erasedAt } = jsonOf(expectStatus(200, await client.erase())) as { erasedAt: string };
      for (const answer of await Promise.all(uploads)) expect([200, 201]).toContain(answer.status);
      const { versions } = await client.versions();
      expect(versions.filter(({ uploadedAt }) => uploadedAt <= erasedAt)).toEqual([]);
      // Of what was overtaken nothing is left either, once its own upload has tidied up.
      const named = versions.map(({ version }) => version);
      const strays = (await keys(client)).filter((key) => !named.some((version) => key.includes(version)));
      expect(strays).toEqual([]);
    }
  });

  it('deletes what left the history once the grace period is over, and nothing before', async () => {
    const client = avatar();
    const versions: string[] = [];
    for (let i = 0; i < 4; i++) versions.push(await uploaded(client, i));
    const [first = ''] = versions;
    expect(await stored(client)).toEqual(versions);
    expectStatus(200, await client.get(`/${first}/master.jpeg`));
    // The next upload comes once the grace is over: to a service whose clock says so.
    const later = await startService({
      ...environment,
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(CLOCK_AHEAD)}`,
    });
    try {
      await uploaded(new AvatarClient(later.url, idOf(client)), 5);
      while ((await stored(client)).includes(first)) await sleep(20);
      // The second has just been pushed out: a page that shows it may still be open.
      expect(await stored(client)).toEqual([...versions.slice(1), (await client.versions()).current].sort());
    } finally {
      await later.stop();
    }
  });
});
