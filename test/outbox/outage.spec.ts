import { mkdir, mkdtemp, readFile, readdir, rename, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, problemOf, send } from '../http/support/client.js';
import {
  AvatarClient,
  expectStatus,
  jsonOf,
  numbered,
  postLookup,
  versionOf,
} from '../support/avatar-client.js';
import { openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { leaveUpload } from '../support/older-service.js';
import { HANG_MS } from '../support/patience.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';
import { until } from '../support/until.js';
import { type Line, linesWith } from '../support/log-lines.js';

interface Ready {
  status: string;
  outbox: { entries: number; bytes: number; oldestAgeMs: number; setAside: number };
}

type Health = Ready & { code: number };

/** Where a client of Gravatar is sent when there is no picture. */
const ELSEWHERE = 'https://example.org/none.png';

describeS3('while the bucket is away', () => {
  let proxy: FaultProxy;
  let direct: Environment;
  let behind: Environment;
  let environment: Environment;
  let service: RunningService;
  /** Another replica, that reaches the bucket all the while. */
  let other: RunningService;
  let alone: RunningService[] = [];
  let count = 0;
  /** What a service left that had an outbox; `other` has none. */
  let left: string;

  beforeAll(async () => {
    direct = await s3Environment();
    left = await mkdtemp(join(tmpdir(), 'visage-outbox-'));
    await mkdir(join(left, 'slot-3/pending'), { recursive: true });
    await writeFile(join(left, 'slot-3/pending/00000000-0000-7000-8000-000000000000.json'), '{}');
    await writeFile(join(left, 'slot-3/storage.json'), '{"bucket":"former","region":"eu-north-1"}');
    ({ proxy, environment: behind } = await behindProxy(direct));
    environment = await withOutbox();
    [service, other] = (await startServices([
      environment,
      { ...direct, STORAGE_FALLBACK: 'none', OUTBOX_PATH: left },
    ])) as [RunningService, RunningService];
  });
  afterEach(async () => {
    proxy.clear();
    await proxy.resume();
    await Promise.all(alone.map((one) => one.stop()));
    alone = [];
    await recovered();
  });
  afterAll(async () => {
    await Promise.all([service.stop(), other.stop()]);
    await proxy.stop();
  });

  /** With an outbox of its own. */
  const withOutbox = async (): Promise<Environment> => ({
    ...behind,
    CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '200',
    OUTBOX_PATH: await mkdtemp(join(tmpdir(), 'visage-outbox-')),
    CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '50',
    CONSTANT_OUTBOX_SET_ASIDE_AFTER_MS: '300',
    CACHE_MAX_AGE_MS: '0',
    CONSTANT_CACHE_UNKNOWN_HASH_MS: '0',
    CONSTANT_HEALTH_MAX_AGE_MS: '0',
    AVATAR_DEFAULT_URLS: ELSEWHERE,
  });
  /** For one test. */
  const startAlone = async (environment: Environment) => {
    const started = await startService(environment);
    alone.push(started);
    return started;
  };
  const avatar = (id = `avatar-${++count}`, { url } = service) => new AvatarClient(url, id);
  const health = async ({ url } = service) => {
    const answer = await fetch(`${url}/health/ready`);
    return { code: answer.status, ...((await answer.json()) as Ready) };
  };
  const healthWhen = async (is: (health: Health) => boolean, asked = service) => {
    const giveUp = performance.now() + HANG_MS;
    for (;;) {
      const found = await health(asked);
      if (is(found)) return found;
      if (performance.now() > giveUp) throw new Error(`still ${JSON.stringify(found)}:\n${asked.log()}`);
      await sleep(20);
    }
  };
  const replayed = async (asked = service) =>
    (await healthWhen(({ outbox }) => outbox.entries === 0, asked)).outbox;
  /** Readiness passes by the breaker; a read does not. */
  const recovered = async () => {
    await replayed();
    while ((await avatar().get()).status !== 404) await sleep(20);
  };
  const manifestOf = async (id: string) => {
    const object = await openBackend(direct).get(`manifests/${id}.json`);
    if (object === undefined || object === 'unchanged') return undefined;
    return JSON.parse(object.bytes.toString()) as { current: string | null; versions: { version: string }[] };
  };

  const keysOf = async (id: string) => {
    const found: string[] = [];
    for await (const { key } of openBackend(direct).list(`avatars/${id}/`)) found.push(key);
    return found;
  };

  it('takes an upload, shows it at once, and carries it out when the bucket is back', async () => {
    const client = avatar('back');
    await proxy.stop();
    const accepted = expectStatus(202, await client.upload(await numbered(1)));
    const version = versionOf(accepted);
    expect(jsonOf(accepted)).toMatchObject({ pending: true });
    expect((await client.get()).headers.etag).toBe(`"${version}/master.jpeg"`);
    expectStatus(200, await client.get('?size=16&format=webp'));
    expectStatus(200, await client.get(`/${version}/master.jpeg`));
    expect(jsonOf(expectStatus(200, await client.get('/info')))).toMatchObject({ version });
    // The same bytes again are the same version, and it still waits.
    expect(versionOf(expectStatus(202, await client.upload(await numbered(1))))).toBe(version);

    const { code, status, outbox } = await health();
    expect([code, outbox.entries]).toEqual([200, 1]);
    expect(['ready', 'degraded']).toContain(status);
    await proxy.resume();
    expect((await replayed()).setAside).toBe(0);
    expect(await manifestOf('back')).toMatchObject({ current: version, versions: [{ version }] });
    expectStatus(200, await client.upload(await numbered(1)));
    expectStatus(201, await client.upload(await numbered(2)));
    expect(await readdir(join(environment['OUTBOX_PATH'] ?? '', 'slot-0/pending')).catch(() => [])).toEqual(
      [],
    );
  });

  it('answers the same upload at the same time with a version that there is', async () => {
    // One picture after the other, so that the first upload waits in the outbox when the second one's picture is made.
    const alone = await startAlone({ ...(await withOutbox()), IMAGE_CONCURRENCY: '1' });
    const [known, fresh] = [avatar('twice-known', alone), avatar('twice-fresh', alone)];
    expectStatus(201, await known.upload(await numbered(1)));
    await proxy.stop();
    const picture = await numbered(2);
    for (const client of [known, fresh]) {
      const answers = await Promise.all(Array.from({ length: 4 }, () => client.upload(picture)));
      const versions = answers.map((answer) => versionOf(expectStatus(202, answer)));
      for (const answer of answers) expect(jsonOf(answer)).toMatchObject({ pending: true });
      for (const version of versions) expectStatus(200, await client.get(`/${version}/master.jpeg`));
    }
    await proxy.resume();
    await replayed(alone);
    for (const client of [known, fresh]) expectStatus(200, await client.upload(picture));
  });

  it('takes a restore again that it took already', async () => {
    const client = avatar('again');
    const first = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    expectStatus(201, await client.upload(await numbered(2)));
    await proxy.stop();
    for (let i = 0; i < 2; i++) {
      expect(jsonOf(expectStatus(202, await client.restore(first)))).toMatchObject({ pending: true });
    }
    await proxy.resume();
    await replayed();
    expect(await manifestOf('again')).toMatchObject({ current: first });
  });

  it('keeps its changes through kill -9, and carries each out once and in order', async () => {
    const [a, b, c] = [avatar('kill-a'), avatar('kill-b'), avatar('kill-c')];
    const first = versionOf(expectStatus(201, await a.upload(await numbered(1))));
    const only = versionOf(expectStatus(201, await b.upload(await numbered(1))));
    expectStatus(201, await c.upload(await numbered(1)));
    await proxy.stop();
    const second = versionOf(expectStatus(202, await a.upload(await numbered(2))));
    expectStatus(202, await a.restore(first));
    expect(jsonOf(expectStatus(202, await b.delete()))).toEqual({ pending: true });
    expectStatus(404, await b.get());
    const receipt = jsonOf(expectStatus(202, await c.erase('', { 'x-request-id': 'erasure-c' })));
    expect(receipt).toMatchObject({ objects: 0, pending: true });
    await service.kill();
    service = await startService(environment);
    // What was known before is forgotten by now; what waits is not.
    expectStatus(200, await avatar('kill-a').get(`/${second}/master.jpeg`));
    // It cannot tell what else there is.
    expectStatus(503, await avatar('kill-a').get('/versions'));
    expectStatus(404, await avatar('kill-b').get());
    expectStatus(404, await avatar('kill-c').get());
    await proxy.resume();
    await replayed();
    expect(await manifestOf('kill-a')).toMatchObject({
      current: first,
      versions: [{ version: second }, { version: first }],
    });
    expect(await manifestOf('kill-b')).toMatchObject({ current: null, versions: [{ version: only }] });
    expect(await manifestOf('kill-c')).toMatchObject({ current: null, versions: [] });
    expect(await keysOf('kill-c')).toEqual([]);
    const { erasedAt } = receipt as { erasedAt: string };
    const told = `"id":"kill-c","erasedAt":"${erasedAt}","objects":1,"bytes":[1-9]\\d*,"aliases":0,"requestId":"erasure-c"`;
    await service.logged(new RegExp(`${told},.*"msg":"erased an avatar"`));
  });

  it('serves what this replica knows, and answers 503, not 404, for anything else', async () => {
    const known = avatar();
    expectStatus(201, await known.upload(await numbered(1)));
    expectStatus(200, await known.get());
    expectStatus(200, await known.get('?size=32'));
    await proxy.stop();
    expectStatus(200, await known.get());
    expectStatus(200, await known.get('?size=32'));
    expectStatus(200, await known.get('?size=16&format=png'));
    expectStatus(200, await known.get('/info'));
    const stranger = avatar();
    for (const suffix of ['', '/exists', '/info', '/versions', '/url']) {
      expect(problemOf(await stranger.get(suffix))).toEqual({ status: 503, code: 'storage_unavailable' });
    }
    expect(problemOf(await known.restore('01900000-0000-7000-8000-000000000000'))).toMatchObject({
      status: 503,
    });
    expect(problemOf(await known.delete({ 'if-match': '*' }))).toMatchObject({ status: 503 });
    expect(problemOf(await known.upload(Buffer.from('no picture')))).toMatchObject({ status: 415 });
  });

  it("takes changes of a new avatar while only the listing of the older service's files fails", async () => {
    const used = await s3Environment();
    await leaveUpload(used, 'older');
    const behindIt = await behindProxy(used);
    const fault = { type: 'error', status: 403, code: 'AccessDenied' } as const;
    behindIt.proxy.rule({ operation: 'ListObjectsV2', fault });
    const searching = await startAlone({ ...(await withOutbox()), ...behindIt.environment });
    const [uploaded, deleted, exact] = ['up', 'down', 'exact'].map((id) => avatar(id, searching)) as [
      AvatarClient,
      AvatarClient,
      AvatarClient,
    ];
    const version = versionOf(expectStatus(202, await uploaded.upload(await numbered(1))));
    expectStatus(202, await deleted.delete());
    for (const refused of [
      await exact.upload(await numbered(1), { 'if-none-match': '*' }),
      await exact.delete({ 'if-match': '*' }),
      await exact.restore(version),
    ]) {
      expect(problemOf(refused)).toEqual({ status: 503, code: 'storage_unavailable' });
    }
    expect((await replayed(searching)).setAside).toBe(0);
    expect((await uploaded.versions()).current).toBe(version);
    expectStatus(404, await deleted.get());
    // What was refused left nothing behind.
    expectStatus(404, await exact.get());
    await searching.stop();
    await behindIt.proxy.stop();
  });

  it('marks as no-store whatever another replica may have erased', async () => {
    const client = avatar();
    const version = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    const hash = '1'.repeat(64);
    expectStatus(200, await client.setAliases({ hashes: [hash] }));
    const { path } = client;
    const bare = avatar().path;
    const pictures = [
      path,
      `${path}?size=16&format=webp`,
      `${path}/${version}/master.jpeg`,
      `${path}/${version}/16.webp`,
      `/avatar/${hash}`,
      `${bare}?default=identicon`,
      `/avatar/${'2'.repeat(64)}`,
      `/avatar/${'2'.repeat(64)}?d=${encodeURIComponent(ELSEWHERE)}`,
    ];
    const facts = ['/info', '/exists', '/url'].map((suffix) => `${path}${suffix}`);
    const readAll = async () => {
      const reads = [...pictures, ...facts].map((path) => ({ path }));
      const known = await Promise.all(reads.map((read) => send(service.url, read)));
      const lookups = await Promise.all(
        [{ ids: [path.split('/').at(-1)] }, { hashes: [hash] }].map((wish) => postLookup(service.url, wish)),
      );
      return [...known, ...lookups];
    };
    const kept = ({ status, headers, body }: Answer) => [
      status,
      headers['cache-control'],
      body.toString('base64'),
    ];
    const before = await readAll();
    for (const { headers } of before) expect(headers['cache-control']).toMatch(/max-age|no-cache/);

    await proxy.stop();
    expectStatus(200, await avatar(path.split('/').at(-1), other).erase());
    const during = await readAll();
    const unkept = before.map(kept).map(([status, , body]) => [status, 'no-store', body]);
    expect(during.map(kept)).toEqual(unkept);
    for (const [i, path] of pictures.entries()) {
      const etag = before[i]?.headers.etag;
      if (etag === undefined) continue;
      const answer = await send(service.url, { path, headers: { 'if-none-match': etag } });
      expect([path, answer.status, answer.headers['cache-control']]).toEqual([path, 304, 'no-store']);
    }

    await proxy.resume();
    while ((await client.get()).status !== 404) await sleep(20);
    for (const path of pictures.slice(0, 4)) expectStatus(404, await send(service.url, { path }));
    // What it draws for an avatar without a picture may be kept again.
    const drawn = expectStatus(200, await send(service.url, { path: `${bare}?default=identicon` }));
    expect(drawn.headers['cache-control']).toMatch(/max-age/);
  });

  it('shows what it last knew for CACHE_MAX_STALE_MS, and then answers 503, not 404', async () => {
    const [never, bounded] = await Promise.all(
      [
        { CACHE_MAX_STALE_MS: '0' },
        // Answers of the last 100 ms are given again without the store being asked.
        { CACHE_MAX_STALE_MS: '500', CACHE_MAX_AGE_MS: '100' },
      ].map(async (bound) => startAlone({ ...(await withOutbox()), ...bound })),
    );
    if (!never || !bounded) throw new Error('both have started');
    const [erased, uploaded] = [avatar('stale-erased', other), avatar('stale-uploaded', other)];
    const hash = '3'.repeat(64);
    const version = versionOf(expectStatus(201, await erased.upload(await numbered(1))));
    expectStatus(200, await erased.setAliases({ hashes: [hash] }));
    const old = versionOf(expectStatus(201, await uploaded.upload(await numbered(2))));
    const otherHash = '4'.repeat(64);
    expectStatus(200, await uploaded.setAliases({ hashes: [otherHash] }));
    const erasedPaths = ['', `/${version}/master.jpeg`, '/info'].map((suffix) => `${erased.path}${suffix}`);
    const oldPath = `${uploaded.path}/${old}/master.jpeg`;
    const paths = [...erasedPaths, oldPath, `/avatar/${hash}?d=404`, `/avatar/${otherHash}?d=404`];
    for (const path of paths) {
      for (const { url } of [never, bounded]) expectStatus(200, await send(url, { path }));
    }

    await proxy.stop();
    expectStatus(200, await erased.erase());
    for (const path of paths) {
      const answer = await send(never.url, { path });
      expect([path, problemOf(answer)]).toEqual([path, { status: 503, code: 'storage_unavailable' }]);
      expect(answer.headers['retry-after']).toBe('5');
    }
    for (const path of paths) {
      const states: string[] = [];
      while (states.at(-1) !== '503 no-store') {
        const { status, headers } = await send(bounded.url, { path });
        const state = `${status} ${headers['cache-control'] === 'no-store' ? 'no-store' : 'to keep'}`;
        if (state !== states.at(-1)) states.push(state);
        await sleep(10);
      }
      // Which ones are seen is a matter of time, their order is not.
      expect([path, states]).toEqual([
        path,
        ['200 to keep', '200 no-store', '503 no-store'].filter((state) => states.includes(state)),
      ]);
    }

    // What was uploaded here is shown, and nothing is said of what came before.
    const here = avatar('stale-uploaded', bounded);
    const pending = versionOf(expectStatus(202, await here.upload(await numbered(3))));
    for (const suffix of ['', `/${pending}/master.jpeg`]) {
      const { headers, status } = await here.get(suffix);
      expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    }
    const unknown = [oldPath, `${uploaded.path}/aliases`, `/avatar/${otherHash}?d=404`];
    const expectUnknown = async (paths: string[]) => {
      for (const path of paths) {
        const answer = await send(bounded.url, { path });
        expect([path, problemOf(answer)]).toEqual([path, { status: 503, code: 'storage_unavailable' }]);
      }
    };
    await expectUnknown(unknown);
    // It knew that version once, so that a restore is accepted. Whether it is still there it can't tell.
    expectStatus(202, await here.restore(old));
    await expectUnknown([...unknown, uploaded.path, `${uploaded.path}/info`]);
    expectStatus(200, await here.get(`/${pending}/master.jpeg`));

    await proxy.resume();
    for (const { url } of [never, bounded]) {
      for (const path of [...erasedPaths, `/avatar/${hash}?d=404`]) {
        let status = 503;
        while (status === 503) {
          await sleep(10);
          ({ status } = await send(url, { path }));
        }
        expect([path, status]).toEqual([path, 404]);
      }
    }
    await replayed(bounded);
    expect((await here.get()).headers.etag).toBe(`"${old}/master.jpeg"`);
    expectStatus(200, await here.get(`/${pending}/master.jpeg`));
    expectStatus(200, await send(bounded.url, { path: `/avatar/${otherHash}?d=404` }));
  });

  it('never lets a waiting intent win over a newer change by another replica', async () => {
    const client = avatar('newer');
    const before = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    await proxy.stop();
    const waiting = versionOf(expectStatus(202, await client.upload(await numbered(2))));
    const newer = versionOf(expectStatus(201, await avatar('newer', other).upload(await numbered(3))));
    await proxy.resume();
    await replayed();
    const { current, versions } = (await manifestOf('newer')) ?? {};
    expect([current, versions?.map(({ version }) => version)]).toEqual([newer, [newer, waiting, before]]);
  });

  it('never brings back from its outbox what another replica erased', async () => {
    const client = avatar('erased');
    const before = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    expectStatus(201, await client.upload(await numbered(3)));
    await proxy.stop();
    expectStatus(202, await client.restore(before));
    expectStatus(202, await client.upload(await numbered(2)));
    expectStatus(200, await avatar('erased', other).erase());
    await proxy.resume();
    // What an erasure made void is nothing for an operator.
    expect((await replayed()).setAside).toBe(0);
    expectStatus(404, await client.get());
    expect(await manifestOf('erased')).toMatchObject({ current: null, versions: [] });
    expect(await keysOf('erased')).toEqual([]);
  });

  it('never brings back an upload that came between an erasure and its repetition', async () => {
    const here = avatar('erased-twice');
    const there = avatar('erased-twice', other);
    expectStatus(201, await here.upload(await numbered(1)));
    const { erasedAt } = jsonOf(expectStatus(200, await there.erase())) as { erasedAt: string };
    await proxy.stop();
    expectStatus(202, await here.upload(await numbered(2)));
    // It knows nothing of that upload, which is older than this call all the same.
    expect(jsonOf(expectStatus(200, await there.erase()))).toMatchObject({ erasedAt });
    await proxy.resume();
    expect((await replayed()).setAside).toBe(0);
    expectStatus(404, await there.get());
    expect(await there.versions()).toMatchObject({ erasedAt, versions: [] });
    expectStatus(201, await here.upload(await numbered(2)));
  });

  it('erases what waits in the outbox as well, and the receipt counts it', async () => {
    const client = avatar('waiting');
    await proxy.stop();
    const version = versionOf(expectStatus(202, await client.upload(await numbered(1))));
    expectStatus(200, await client.get(`/${version}/master.jpeg`));
    expect(jsonOf(expectStatus(202, await client.erase()))).toMatchObject({ objects: 1, pending: true });
    expectStatus(404, await client.get(`/${version}/master.jpeg`));
    const names = await readdir(join(environment['OUTBOX_PATH'] ?? '', 'slot-0/pending'));
    expect(names.filter((name) => name.endsWith('.master'))).toEqual([]);
    await proxy.resume();
    await replayed();
    expectStatus(404, await client.get());
  });

  it('erases a version that waits in the outbox, and does not show the picture before it', async () => {
    const client = avatar('photo');
    const before = versionOf(expectStatus(201, await client.upload(await numbered(1))));
    await proxy.stop();
    const waiting = versionOf(expectStatus(202, await client.upload(await numbered(2))));
    const receipt = jsonOf(expectStatus(202, await client.eraseVersion(waiting)));
    expect(receipt).toMatchObject({ version: waiting, objects: 1, pending: true });
    const names = await readdir(join(environment['OUTBOX_PATH'] ?? '', 'slot-0/pending'));
    expect(names.filter((name) => name.endsWith('.master'))).toEqual([]);
    const gone = async () => {
      for (const path of ['', `/${waiting}/master.jpeg`, `/${before}/master.jpeg`]) {
        expectStatus(404, await client.get(path));
      }
    };
    await gone();
    await proxy.resume();
    expect((await replayed()).setAside).toBe(0);
    await gone();
    const manifest = await manifestOf('photo');
    expect(manifest).toMatchObject({ current: null, versions: [{ version: before }] });
    expect(manifest).toMatchObject({ erased: [{ version: waiting }] });
    expect(await keysOf('photo')).toEqual([`avatars/photo/${before}/master.jpeg`]);
    expectStatus(200, await client.restore(before));
  });

  it('erases a stored version through an outage and kill -9, however late the rest comes', async () => {
    const [here, there] = [avatar('late-photo'), avatar('late-photo', other)];
    const first = versionOf(expectStatus(201, await here.upload(await numbered(1))));
    const second = versionOf(expectStatus(201, await here.upload(await numbered(2))));
    await proxy.stop();
    // Both wait, while the other replica erases the version that they are about.
    expectStatus(202, await here.restore(first));
    expectStatus(202, await here.send({ method: 'PUT', suffix: '/alt', body: '{"alt":"Ada"}' }));
    expectStatus(200, await there.eraseVersion(first));
    expectStatus(202, await here.eraseVersion(second));
    expectStatus(404, await here.get(`/${second}/master.jpeg`));
    await service.kill();
    service = await startService(environment);
    expectStatus(404, await avatar('late-photo').get(`/${second}/master.jpeg`));
    await proxy.resume();
    expect((await replayed()).setAside).toBe(0);
    expect(await manifestOf('late-photo')).toMatchObject({ current: null, versions: [] });
    expect(await keysOf('late-photo')).toEqual([]);
    const told = `"id":"late-photo","version":"${second}",[^\n]*"objects":1,`;
    await service.logged(new RegExp(`${told}.*"msg":"erased a version of an avatar"`));
  });

  it('sets a poisoned entry aside with its reason, and carries out the rest', async () => {
    const poisonedEnvironment = await withOutbox();
    const before = await startAlone(poisonedEnvironment);
    await proxy.stop();
    const uploaded = await avatar('rest', before).upload(await numbered(1));
    const version = versionOf(expectStatus(202, uploaded));
    await before.kill();
    const slot = join(poisonedEnvironment['OUTBOX_PATH'] ?? '', 'slot-0');
    await writeFile(join(slot, 'pending/00000000-0000-7000-8000-000000000000.json'), '{"schema":1,');
    const after = await startAlone(poisonedEnvironment);
    await proxy.resume();
    expect((await replayed(after)).setAside).toBe(1);
    expect(await manifestOf('rest')).toMatchObject({ current: version });
    expect((await readdir(join(slot, 'aside'))).sort()).toEqual([
      '00000000-0000-7000-8000-000000000000.json',
      '00000000-0000-7000-8000-000000000000.reason',
    ]);
    await after.logged(/was set aside/);
  });

  it('takes no more entries than its limit, and goes on serving what it has', async () => {
    const small = await startAlone({ ...(await withOutbox()), OUTBOX_MAX_ENTRIES: '2' });
    await proxy.stop();
    expectStatus(202, await avatar(undefined, small).upload(await numbered(1)));
    expectStatus(202, await avatar(undefined, small).upload(await numbered(1)));
    const refused = await avatar(undefined, small).upload(await numbered(1));
    expect(problemOf(refused)).toEqual({ status: 503, code: 'outbox_full' });
    expect(refused.headers['retry-after']).toBe('30');
    expect(await health(small)).toMatchObject({ code: 200, status: 'degraded', outbox: { entries: 2 } });
  });

  it('shares a path between processes, and takes over the entries of a dead one', async () => {
    const dying = await startAlone(environment);
    await proxy.stop();
    const path = environment['OUTBOX_PATH'] ?? '';
    expectStatus(202, await avatar('left', dying).upload(await numbered(1)));
    expectStatus(202, await avatar('own').upload(await numbered(1)));
    const entries = (await readdir(path, { recursive: true })).filter((name) =>
      /pending\/.+\.json$/.test(name),
    );
    expect(entries).toHaveLength(2);
    // Which ones is chance: a process takes over what lies free, also what another has only just made.
    expect(new Set(entries.map((name) => name.split('/')[0])).size).toBe(2);
    await dying.kill();
    await healthWhen(({ outbox }) => outbox.entries === 2);
    expectStatus(200, await avatar('left').get());
    await proxy.resume();
    await replayed();
    expect((await manifestOf('left'))?.versions).toHaveLength(1);
    expect((await manifestOf('own'))?.versions).toHaveLength(1);
  });

  it('carries nothing out into another bucket, and logs which bucket the entries are for', async () => {
    const ours = await withOutbox();
    const path = ours['OUTBOX_PATH'] ?? '';
    const before = await startAlone(ours);
    await proxy.stop();
    const version = versionOf(expectStatus(202, await avatar('moved', before).upload(await numbered(1))));
    expect(await before.stop()).toBe(0);
    const contents = await contentsOf(join(path, 'slot-0'));
    await proxy.resume();

    const theirs = { ...ours, ...(await s3Environment()) };
    const stranger = await startAlone(theirs);
    await stranger.logged(/an outbox slot holds changes for another storage/);
    expectStatus(201, await avatar('stranger', stranger).upload(await numbered(2)));
    expect((await health(stranger)).outbox).toMatchObject({ entries: 0, setAside: 0 });
    const lines = await linesOf(stranger, 1, /holds changes for another storage/);
    expect(lines).toMatchObject([
      {
        level: 40,
        slot: join(path, 'slot-0'),
        entries: 1,
        storage: { endpoint: ours['STORAGE_S3_ENDPOINT'], bucket: ours['STORAGE_S3_BUCKET'] },
      },
    ]);
    expect(await contentsOf(join(path, 'slot-0'))).toEqual(contents);
    const keys: string[] = [];
    for await (const { key } of openBackend(theirs).list('')) keys.push(key);
    expect(keys.filter((key) => key.includes('moved'))).toEqual([]);

    // The same bucket has another address.
    const after = await startAlone({ ...ours, ...direct });
    expect(await linesOf(after, 1, /holds changes for another storage/)).toHaveLength(1);
    const { STORAGE_S3_ENDPOINT: endpoint, STORAGE_S3_BUCKET: bucket } = direct;
    await writeFile(join(path, 'slot-0/storage.json'), JSON.stringify({ endpoint, bucket }));
    await until(async () => (await manifestOf('moved'))?.current === version);
    expect(await linesOf(stranger, 1, /holds changes for another storage/)).toHaveLength(1);
  });

  it('sets aside entries of one avatar that keep failing while the bucket works, and takes them back', async () => {
    const environment = await withOutbox();
    const before = await startAlone(environment);
    const path = join(environment['OUTBOX_PATH'] ?? '', 'slot-0');
    const store = openBackend(direct);
    await proxy.stop();
    const damaged = avatar('damaged', before);
    expectStatus(202, await damaged.upload(await numbered(1)));
    const version = versionOf(expectStatus(202, await damaged.upload(await numbered(2))));
    const sound = versionOf(expectStatus(202, await avatar('sound', before).upload(await numbered(1))));
    await store.store('manifests/damaged.json', Buffer.from('no manifest'));
    await proxy.resume();
    expect((await replayed(before)).setAside).toBe(2);
    expect(await manifestOf('sound')).toMatchObject({ current: sound });
    const lines = await linesOf(before, 2, /was set aside.*docs\/operations\.md/);
    const told = { level: 50, id: 'damaged', change: 'publish' };
    expect(lines).toMatchObject([told, told]);
    for (const { reason } of lines) expect(reason).toMatch(/manifest_unreadable/);
    const aside = (await readdir(join(path, 'aside'))).sort();
    expect(lines.map(({ entry }) => entry)).toEqual(
      aside.filter((name) => name.endsWith('.json')).map((name) => join(path, 'aside', name)),
    );

    // As docs/operations.md says.
    await store.delete('manifests/damaged.json');
    await before.stop();
    await mkdir(join(path, 'pending'), { recursive: true });
    for (const name of aside) {
      if (name.endsWith('.reason')) await unlink(join(path, 'aside', name));
      else await rename(join(path, 'aside', name), join(path, 'pending', name));
    }
    const after = await startAlone(environment);
    expect(await replayed(after)).toMatchObject({ entries: 0, setAside: 0 });
    const { current, versions } = (await manifestOf('damaged')) ?? {};
    expect([current, versions?.length]).toEqual([version, 2]);
  });

  it('sets aside entries that the bucket never accepts, even of so many avatars that they open the circuit', async () => {
    const poisoned = Array.from({ length: 7 }, (_, i) => avatar(`poisoned-${i}`));
    const { setAside } = (await health()).outbox;
    await proxy.stop();
    for (const client of poisoned) expectStatus(202, await client.upload(await numbered(1)));
    proxy.rule({
      operation: 'PutObject',
      key: /^avatars\/poisoned-/,
      fault: { type: 'error', status: 500, code: 'InternalError' },
    });
    await proxy.resume();
    try {
      expect(await replayed()).toMatchObject({ entries: 0, setAside: setAside + poisoned.length });
    } finally {
      proxy.clear();
    }
    await recovered();
    expectStatus(201, await avatar('poisoned-0').upload(await numbered(1)));
  });

  it('says once why an erasure waits while the bucket refuses to delete', async () => {
    const alone = await startAlone(await withOutbox());
    const client = avatar('undeletable', alone);
    expectStatus(201, await client.upload(await numbered(1)));
    const refused = { type: 'error', status: 403, code: 'AccessDenied' } as const;
    for (const operation of ['DeleteObject', 'DeleteObjects'] as const)
      proxy.rule({ operation, fault: refused });
    expect(jsonOf(expectStatus(202, await client.erase()))).toMatchObject({ pending: true });
    const line = /could not be carried out/;
    await alone.logged(line);
    // The refused attempts of three more rounds at least.
    const { length } = proxy.seen;
    const attempts = () => proxy.seen.slice(length).filter(({ operation }) => operation === 'DeleteObject');
    await healthWhen(() => attempts().length > 20, alone);
    const lines = await linesOf(alone, 1, line);
    expect(lines).toMatchObject([{ level: 40, id: 'undeletable' }]);
    expect(JSON.stringify(lines)).toMatch(/AccessDenied: permissions are missing/);
    proxy.clear();
    await replayed(alone);
  });

  it.each([
    ['refuses writes, though it answers reads', { operation: 'PutObject' }, 403, 'AccessDenied'],
    ['refuses reads, though it takes writes', { operation: 'GetObject' }, 403, 'AccessDenied'],
    ['has no room for more', { operation: 'PutObject', key: /^(avatars|manifests)/ }, 507, 'QuotaExceeded'],
  ] as const)('sets nothing aside while the bucket %s, however long', async (_, match, status, code) => {
    const id = `long-${++count}`;
    const { setAside } = (await health()).outbox;
    await proxy.stop();
    const version = versionOf(expectStatus(202, await avatar(id).upload(await numbered(1))));
    proxy.rule({ ...match, fault: { type: 'error', status, code } });
    await proxy.resume();
    const endOfLimit = performance.now() + 4 * Number(environment['CONSTANT_OUTBOX_SET_ASIDE_AFTER_MS']);
    const isLong = () => proxy.count(match) > 60 && performance.now() > endOfLimit;
    await healthWhen(({ outbox }) => outbox.entries === 0 || isLong());
    expect((await health()).outbox).toMatchObject({ entries: 1, setAside });
    proxy.clear();
    expect(await replayed()).toMatchObject({ entries: 0, setAside });
    expect(await manifestOf(id)).toMatchObject({ current: version });
  });

  it('never publishes nor serves a master that was changed on disk', async () => {
    const [served, changed, cut, sound] = ['disk-served', 'disk-changed', 'disk-cut', 'disk-sound'] as const;
    const pending = join(environment['OUTBOX_PATH'] ?? '', 'slot-0/pending');
    const { setAside } = (await health()).outbox;
    await proxy.stop();
    const masters = new Map<string, string>();
    for (const id of [served, changed, cut, sound]) {
      const known = await readdir(pending).catch(() => [] as string[]);
      expectStatus(202, await avatar(id).upload(await numbered(7)));
      const added = (await readdir(pending)).find(
        (name) => name.endsWith('.master') && !known.includes(name),
      );
      masters.set(id, join(pending, added ?? ''));
    }
    const damage = async (id: string, change: (master: Buffer) => Buffer) => {
      const path = masters.get(id) ?? '';
      await writeFile(path, change(await readFile(path)));
    };
    // Another picture of the same length is as wrong as one that is cut.
    const flip = (master: Buffer) => Buffer.from(master.map((byte, i) => (i === 100 ? byte ^ 1 : byte)));
    await damage(served, flip);
    await damage(changed, flip);
    await damage(cut, (master) => master.subarray(0, -1));

    // From memory, where the accepted one still is, unless a round has set it aside: then nobody can tell.
    const [answer, accepted] = [await avatar(served).get(), expectStatus(200, await avatar(sound).get())];
    if (answer.status === 200) expect(answer.body).toEqual(accepted.body);
    else expect(problemOf(answer)).toMatchObject({ status: 503, code: 'storage_unavailable' });
    await proxy.resume();
    expect(await replayed()).toMatchObject({ setAside: setAside + 3 });
    expect((await manifestOf(sound))?.versions).toHaveLength(1);
    for (const id of [served, changed, cut]) {
      expect(await manifestOf(id)).toBeUndefined();
      for await (const { key } of openBackend(direct).list(`avatars/${id}/`)) throw new Error(key);
      expectStatus(404, await avatar(id).get());
    }
    const reason = 'the master on disk is not the one that was accepted';
    const lines = await linesOf(service, 3, /was set aside/, /^disk-/);
    expect(lines.map((line) => [line['id'], line['reason']]).sort()).toEqual(
      [changed, cut, served].map((id) => [id, reason]),
    );
  });

  it('logs what is in an outbox that is no longer used, and leaves it alone', async () => {
    expect(await linesOf(other, 1, /no outbox to carry them out/)).toMatchObject([
      {
        level: 40,
        slot: join(left, 'slot-3'),
        entries: 1,
        storage: { bucket: 'former', region: 'eu-north-1' },
      },
    ]);
    expect((await readdir(left, { recursive: true })).sort()).toEqual([
      'slot-3',
      'slot-3/pending',
      'slot-3/pending/00000000-0000-7000-8000-000000000000.json',
      'slot-3/storage.json',
    ]);
  });
});

/** The lines with such a message and id, once there are so many. */
async function linesOf(
  service: RunningService,
  atLeast: number,
  message: RegExp,
  ids = /^/,
): Promise<Line[]> {
  const lines = () =>
    linesWith(service, '"msg"').filter(({ msg, id }) => message.test(String(msg)) && ids.test(String(id)));
  await until(() => lines().length >= atLeast, `${atLeast} lines like ${String(message)}`);
  return lines();
}

/** The files below a folder, with what is in them and when they were last changed. */
async function contentsOf(folder: string): Promise<[name: string, bytes: string, changedAt: number][]> {
  const names = (await readdir(folder, { recursive: true })).sort();
  const files: [string, string, number][] = [];
  for (const name of names) {
    const found = await stat(join(folder, name));
    const bytes = found.isFile() ? await readFile(join(folder, name), 'base64') : '';
    files.push([name, bytes, found.ctimeMs]);
  }
  return files;
}
