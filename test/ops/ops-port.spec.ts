import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemOf, send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { RawConnection, head } from '../http/support/raw.js';
import { local } from '../support/local.js';
import { freePort, listens } from '../support/ports.js';
import {
  type Environment,
  type RunningService,
  opsUrlOf,
  startProcess,
  startService,
} from '../support/service.js';

const BASE = 'https://pictures.example.org';

const statusOf = async (url: string, path: string, method = 'GET') =>
  (await send(url, { path, method })).status;

describe('OPS_PORT', () => {
  let service: RunningService;
  let ops: string;
  beforeAll(async () => {
    service = await startService({ ...(await local.environment()), OPS_PORT: '0', PUBLIC_BASE_URL: BASE });
    ops = opsUrlOf(service);
  });
  afterAll(() => service.stop());

  it.each([
    '/',
    '/docs',
    '/docs/',
    '/docs-json',
    '/docs/swagger-ui.css',
    '/metrics',
    '/metrics?x=1',
    '/%6detrics',
  ])('has %s to itself', async (path) => {
    for (const method of ['GET', 'HEAD']) {
      expect([method, await statusOf(ops, path, method)]).toEqual([method, path === '/' ? 302 : 200]);
      expect([method, await statusOf(service.url, path, method)]).toEqual([method, 404]);
    }
    const refused = await send(service.url, { path });
    expect(problemOf(refused).code).toBe('route_not_found');
    expect(refused.body.toString()).toContain('OPS_PORT only');
  });

  it.each(['/health/live', '/health/ready'])('has %s, as PORT has', async (path) => {
    expect([await statusOf(ops, path), await statusOf(service.url, path)]).toEqual([200, 200]);
  });

  it('has no avatars, however hot, and takes no changes', async () => {
    const body = await picture('png');
    expect((await send(service.url, { method: 'PUT', path: '/v1/avatars/a', body })).status).toBe(201);
    for (let i = 0; i < 3; i++) expect(await statusOf(service.url, '/v1/avatars/a')).toBe(200);
    for (const [method, path] of [
      ['GET', '/v1/avatars/a'],
      ['HEAD', '/v1/avatars/a'],
      ['PUT', '/v1/avatars/b'],
      ['DELETE', '/v1/avatars/a'],
      ['POST', '/v1/avatars/lookup'],
      ['GET', `/avatar/${'a'.repeat(32)}`],
    ] as const) {
      const answer = await send(ops, { method, path, ...(method === 'PUT' && { body }) });
      expect([path, answer.status]).toEqual([path, 404]);
      if (method !== 'HEAD') expect(problemOf(answer).code).toBe('route_not_found');
    }
    expect(await statusOf(service.url, '/v1/avatars/a')).toBe(200);
    expect(await statusOf(service.url, '/v1/avatars/b')).toBe(404);
  });

  it('says in its description where the calls are', async () => {
    const description = JSON.parse((await send(ops, { path: '/docs-json' })).body.toString()) as object;
    expect(description).toMatchObject({ servers: [{ url: BASE }] });
  });

  it('has the limits of PORT: what is no request is refused, and what is pipelined is answered in turn', async () => {
    const wrong = await RawConnection.open(ops);
    wrong.send('nonsense\r\n\r\n');
    expect((await wrong.answer()).status).toBe(400);
    const long = await RawConnection.open(ops);
    long.send(head('GET', '/metrics', { 'X-Long': 'x'.repeat(100_000) }));
    expect((await long.answer()).status).toBe(431);
    const connection = await RawConnection.open(ops);
    connection.send(head('GET', '/metrics') + head('GET', '/health/live') + head('GET', '/v1/avatars/a'));
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await connection.answer()).status);
    expect(statuses).toEqual([200, 200, 404]);
    for (const { socket } of [wrong, long, connection]) socket.destroy();
  });
});

describe('OPS_PORT at the end of the service', () => {
  let service: RunningService;
  let upload: ClientRequest;
  afterEach(async () => {
    upload.destroy();
    await service.kill();
  });

  it('answers until every request at PORT is answered, and waits for nobody', async () => {
    const environment: Environment = {
      ...(await local.environment()),
      OPS_PORT: '0',
      SHUTDOWN_TIMEOUT_MS: '60000',
    };
    service = await startProcess(environment);
    const ops = opsUrlOf(service);
    const body = await picture('png');
    upload = httpRequest(`${service.url}/v1/avatars/late`, {
      method: 'PUT',
      headers: { 'Content-Length': body.length },
    });
    upload.write(body.subarray(0, 10));
    while ((await service.spooled()).length === 0) await sleep(10);
    const [idle, silent, waiting] = await Promise.all(
      [service.url, ops, ops].map((url) => RawConnection.open(url)),
    );
    const answered = once(upload, 'response');

    const ended = once(service.process, 'close');
    service.process.kill('SIGTERM');
    while (await listens(Number(new URL(service.url).port))) await sleep(10);
    const ready = await send(ops, { path: '/health/ready' });
    expect([ready.status, ready.body.toString()]).toEqual([503, expect.stringContaining('stopping')]);
    expect((await send(ops, { path: '/metrics' })).body.toString()).toContain('visage_build_info');
    // Those that PORT has are closed by now, those of OPS_PORT are not.
    expect(await idle?.closes()).toBe(true);
    silent?.send(head('GET', '/health/live'));
    expect((await silent?.answer())?.headers).toMatchObject({ connection: 'close' });

    upload.end(body.subarray(10));
    const [answer] = (await answered) as [IncomingMessage];
    expect(answer.statusCode).toBe(201);
    answer.resume();
    expect(await ended).toEqual([0, null]);
    for (const connection of [idle, silent, waiting]) connection?.close();
  });
});

describe('OPS_PORT at the start', () => {
  it('is named if it is taken, before PORT answers anything', async () => {
    const taken = await startService(await local.environment());
    const { port } = new URL(taken.url);
    const failed: unknown = await startProcess({ ...(await local.environment()), OPS_PORT: port }).catch(
      (error: unknown) => error,
    );
    expect(String(failed)).toContain(
      `OPS_PORT ${port} is taken: stop what uses it, or set OPS_PORT to another`,
    );
    expect(String(failed)).not.toMatch(/Server listening|"stack"/);
    await taken.stop();
  });

  it('has to differ from PORT', async () => {
    const port = String(await freePort());
    const failed: unknown = await startProcess({ PORT: port, OPS_PORT: port }).catch(
      (error: unknown) => error,
    );
    expect(String(failed)).toContain('OPS_PORT must differ from PORT');
  });
});
