import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, type Socket, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBackend, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { clockAt } from '../support/clock.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { HANG_MS } from '../support/patience.js';
import { TORTURE } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';
import type { Environment } from '../support/service.js';
import { problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';

const UNAVAILABLE = { status: 503, code: 'storage_unavailable' };

/** Long enough for a server that does answer, on any machine. `npm run torture -- deadlines` makes it tight. */
const TIMEOUT_MS = TORTURE ? 1500 : 20_000;

/** The deadline for a server that never answers: it can be short. */
const SILENCE_MS = TORTURE ? TIMEOUT_MS : 200;

/** What a busy machine and the steps of one request add to the deadline of one call. */
const SLACK_MS = TORTURE ? 2500 : HANG_MS;

describeS3('an S3 server that is of no use', () => {
  let usable: Environment;
  /** Accepts connections and never answers. */
  const silent = createServer((socket) => sockets.push(socket));
  const sockets: Socket[] = [];
  /** Answers like a proxy in front of the bucket. */
  const page = createHttpServer(({ url = '' }, response) => {
    if (url.startsWith('/away')) response.writeHead(503).end();
    else response.end('<html>Welcome</html>');
  });

  beforeAll(async () => {
    usable = {
      ...(await s3Environment()),
      STORAGE_FALLBACK: 'none',
      STORAGE_S3_TIMEOUT_MS: String(TIMEOUT_MS),
    };
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
    page.closeAllConnections();
    page.close();
  });

  const pageUrl = () => `http://127.0.0.1:${(page.address() as AddressInfo).port}`;
  const silentUrl = () => `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;

  it.each<[string, () => Environment, RegExp, RegExp]>([
    [
      'where nothing listens',
      () => ({ STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1' }),
      /ECONNREFUSED/,
      /STORAGE_S3_ENDPOINT/,
    ],
    [
      'that never answers',
      () => ({ STORAGE_S3_ENDPOINT: silentUrl(), STORAGE_S3_TIMEOUT_MS: String(SILENCE_MS) }),
      /TimeoutError|timed? ?out/i,
      /STORAGE_S3_TIMEOUT_MS/,
    ],
    [
      'that knows another secret',
      () => ({ STORAGE_S3_SECRET_ACCESS_KEY: 'wrong' }),
      /SignatureDoesNotMatch/,
      /STORAGE_S3_SECRET_ACCESS_KEY/,
    ],
    [
      'that does not know the key',
      () => ({ STORAGE_S3_ACCESS_KEY_ID: 'NOBODY' }),
      // Servers have several codes for it.
      /the server does not know/,
      /STORAGE_S3_ACCESS_KEY_ID/,
    ],
    [
      'without the bucket',
      () => ({ STORAGE_S3_BUCKET: 'visage-no-such-bucket' }),
      /NoSuchBucket/,
      /STORAGE_S3_BUCKET/,
    ],
    [
      'of which there is no address',
      () => ({ STORAGE_S3_ENDPOINT: 'http://s3.invalid' }),
      /ENOTFOUND|EAI_AGAIN/,
      /STORAGE_S3_ENDPOINT/,
    ],
    [
      'that is none, and says that all is well',
      () => ({ STORAGE_S3_ENDPOINT: pageUrl() }),
      /is no S3 server/,
      /STORAGE_S3_ENDPOINT/,
    ],
    [
      'behind a proxy that says only that it is away',
      () => ({ STORAGE_S3_ENDPOINT: `${pageUrl()}/away` }),
      /HTTP 503, without a reason/,
      /the storage cannot be used/,
    ],
  ])('%s: answers 503 in time and logs the cause', async (_, broken, cause, advice) => {
    const harness = await Harness.start({ ...usable, ...broken() });
    const atStart = harness.service.log();
    expect(atStart).toMatch(cause);
    expect(atStart).toMatch(advice);
    const path = '/v1/avatars/a';
    const requests = [
      () => harness.send({ path }),
      () => harness.send({ path: `${path}/exists` }),
      () => harness.send({ path: `${path}/info` }),
      () => harness.send({ path: `${path}/url` }),
      () => harness.send({ method: 'DELETE', path }),
      async () => harness.put(path, { body: await picture('png') }),
    ];
    for (const request of requests) {
      const start = performance.now();
      const answer = await request();
      expect(problemOf(answer)).toEqual(UNAVAILABLE);
      expect(answer.headers['retry-after']).toBe('5');
      expect(performance.now() - start).toBeLessThan(TIMEOUT_MS + SLACK_MS);
    }
    expect((await harness.send({ path: '/health/ready' })).status).toBe(503);
    expect((await harness.send({ path: '/health/live' })).status).toBe(200);
    expect(await harness.spooled()).toEqual([]);
    const giveUp = performance.now() + HANG_MS;
    let open = await harness.service.openFiles();
    for (; open.length > 0 && performance.now() < giveUp; open = await harness.service.openFiles())
      await sleep(20);
    expect(open).toEqual([]);
    expect(harness.service.log()).toMatch(cause);
    // It would only show the inside of the SDK.
    expect(harness.service.log()).not.toContain('"stack"');
    await harness.stop();
  });

  describe('with an outbox', () => {
    let proxy: FaultProxy;
    let withOutbox: Environment;
    let harness: Harness;
    beforeAll(async () => {
      const behind = await behindProxy(usable);
      proxy = behind.proxy;
      withOutbox = { ...behind.environment, STORAGE_FALLBACK: 'local', CONSTANT_HEALTH_MAX_AGE_MS: '0' };
      harness = await Harness.start(withOutbox);
    });
    afterAll(async () => {
      await harness.stop();
      await proxy.stop();
    });
    const readiness = async (asked = harness) => {
      const { status, body } = await asked.send({ path: '/health/ready' });
      return { code: status, ...(JSON.parse(body.toString()) as { status: string }) };
    };

    it('lets requests in while the bucket is away, but not while it refuses our keys', async () => {
      expect(await readiness()).toMatchObject({ code: 200, status: 'ready' });
      proxy.rule({
        operation: 'ListObjectsV2',
        fault: { type: 'error', status: 403, code: 'InvalidAccessKeyId' },
      });
      expect(await readiness()).toMatchObject({
        code: 503,
        status: 'unavailable',
        storage: { refused: true },
      });
      proxy.clear();
      expect(await readiness()).toMatchObject({ code: 200, status: 'ready' });
      await proxy.stop();
      expect(await readiness()).toMatchObject({ code: 200, status: 'degraded' });
      await proxy.resume();
      expect(await readiness()).toMatchObject({ code: 200, status: 'ready' });
    });

    it('lets requests in without an outbox as well, since no other replica has another bucket', async () => {
      const path = '/v1/avatars/in-memory';
      const plain = await Harness.start({ ...withOutbox, STORAGE_FALLBACK: 'none', AVATAR_WARM_SIZES: '0' });
      expect((await plain.put(path, { body: await picture('png') })).status).toBe(201);
      await proxy.stop();
      expect(await readiness(plain)).toMatchObject({ code: 200, status: 'degraded' });
      expect((await plain.send({ path: `${path}?size=32` })).status).toBe(200);
      const refused = await plain.send({ method: 'DELETE', path });
      expect(problemOf(refused)).toEqual(UNAVAILABLE);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      await proxy.resume();
      expect(await readiness(plain)).toMatchObject({ code: 200, status: 'ready' });
      await plain.stop();
    });

    it('answers readiness while the bucket keeps a check waiting, and says so', async () => {
      const { proxy: stalling } = await behindProxy(usable);
      const asked = await Harness.start({
        ...withOutbox,
        STORAGE_S3_ENDPOINT: stalling.url,
        STORAGE_S3_TIMEOUT_MS: String(10 * HANG_MS),
        CONSTANT_HEALTH_TIMEOUT_MS: '100',
        // On a busy machine no check ends in time. One that ended late counts for so long.
        CONSTANT_HEALTH_MAX_AGE_MS: '500',
      });
      const arrived = stalling.hold({ operation: 'ListObjectsV2' });
      const overdue = { code: 200, status: 'degraded', storage: { reachable: false, overdue: true } };
      let answer = await readiness(asked);
      while (answer.status === 'ready') {
        await sleep(20);
        answer = await readiness(asked);
      }
      expect(answer).toMatchObject(overdue);
      const held = await arrived;
      // The check goes on, and all wait for the same one.
      expect(await readiness(asked)).toMatchObject(overdue);
      expect(stalling.held).toBe(1);
      await asked.service.logged(/the storage has not answered within 100 ms/);

      held.pass();
      while ((await readiness(asked)).status !== 'ready') await sleep(20);
      await asked.stop();
      await stalling.stop();
    });

    it('looks once for the pictures of an unknown version, and again when the manifest names it', async () => {
      const [known, copy] = ['made-known', 'made-copy'];
      const uploaded = await harness.put(`/v1/avatars/${known}`, { body: await picture('png') });
      const { version } = JSON.parse(uploaded.body.toString()) as { version: string };
      // While an avatar is hidden, nobody looks for its pictures.
      await harness.put(`/v1/avatars/${copy}`, { body: await picture('jpeg') });
      const read = (file: string) => harness.send({ path: `/v1/avatars/${copy}/${version}/${file}` });
      const calls = () =>
        proxy.count({ operation: 'GetObject', key: new RegExp(`^avatars/${copy}/${version}/`) });
      const files = ['32.webp', '32.webp', '64.png', 'master.png', 'master.webp'];
      for (const file of files) {
        expect(problemOf(await read(file))).toEqual({ status: 404, code: 'rendition_not_found' });
        // Masters in the two formats that a rendition could be made from.
        expect(calls()).toBe(2);
      }

      const backend = openBackend(usable);
      for (const [from, to] of [
        [`avatars/${known}/${version}/master.jpeg`, `avatars/${copy}/${version}/master.jpeg`],
        [`manifests/${known}.json`, `manifests/${copy}.json`],
      ] as const) {
        const object = await backend.get(from);
        if (!object || object === 'unchanged') throw new Error(`no ${from}`);
        await backend.store(to, Buffer.from(object.bytes.toString('latin1').replace(known, copy), 'latin1'));
      }
      // A change always reads the manifest, however fresh the one in memory is.
      const body = JSON.stringify({ version });
      const restored = await harness.put(`/v1/avatars/${copy}/current`, { body });
      expect(restored.status).toBe(200);
      expect((await read('32.webp')).status).toBe(200);
    });

    it('lets no requests in before the bucket was reached for the first time', async () => {
      await proxy.stop();
      const started = await Harness.start(withOutbox);
      expect(await readiness(started)).toMatchObject({ code: 503, status: 'unavailable' });
      await proxy.resume();
      expect(await readiness(started)).toMatchObject({ code: 200, status: 'ready' });
      await started.stop();
    });

    it('reports a wrong clock of the machine, which the SDK would hide', async () => {
      const DAYS_MS = 2 * 86_400_000;
      const late = await Harness.start({ ...usable, ...clockAt(Date.now() - DAYS_MS) });
      const { body } = await late.send({ path: '/health/ready' });
      const { storage } = JSON.parse(body.toString()) as { storage: { clockOffsetMs: number } };
      expect(storage.clockOffsetMs / DAYS_MS).toBeCloseTo(1, 2);
      await late.service.logged(/the clock of this machine is wrong/);
      await late.stop();
    });
  });
});
