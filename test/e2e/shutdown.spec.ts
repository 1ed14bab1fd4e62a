import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import request from 'supertest';
import { RawConnection, chunk, head } from '../http/support/raw.js';
import { openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { listens } from '../support/ports.js';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { linesWith } from '../support/log-lines.js';

/** Longer than any test takes, in ms, so that it never ends anything. */
const FOR_EVER = '3600000';

/** The number of the level in a line of the log. */
const DEBUG = 20;

describe('SIGTERM', () => {
  let environment: Environment;
  let service: RunningService;
  const connections: { destroy(): void }[] = [];
  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.destroy();
    await service.kill();
  });

  const start = async (settings: Environment = {}) => {
    environment = { ...(await local.environment()), ...settings };
    service = await startProcess(environment);
  };
  const connect = async () => {
    const connection = await RawConnection.open(service.url);
    connections.push(connection.socket);
    return connection;
  };
  /** Starts an upload. Resolves when the service has its first bytes. */
  const beginUpload = async (length: number, first: Buffer | string): Promise<ClientRequest> => {
    const upload = httpRequest(`${service.url}/v1/avatars/late`, {
      method: 'PUT',
      headers: { 'Content-Length': length },
    });
    // Tests that mind how it ends listen themselves.
    upload.on('error', () => undefined);
    connections.push(upload);
    upload.write(first);
    await spooling();
    return upload;
  };
  const spooling = async () => {
    while ((await service.spooled()).length === 0) await sleep(10);
  };
  /** @returns a promise of the process's end */
  const terminate = async () => {
    const ended = once(service.process, 'close');
    service.process.kill('SIGTERM');
    await service.logged(/stopping/);
    return { ended };
  };
  /** Waits for the end of the drain, when nobody can connect any more. */
  const closing = async () => {
    while (await listens(Number(new URL(service.url).port))) await sleep(10);
  };

  it('tells the load balancer while it drains, and goes on answering', async () => {
    await start({ SHUTDOWN_DRAIN_MS: FOR_EVER, SHUTDOWN_TIMEOUT_MS: FOR_EVER });
    await request(service.url).get('/health/ready').expect(200);
    const connection = await connect();
    connection.send(head('GET', '/health/live'));
    expect((await connection.answer()).headers).not.toMatchObject({ connection: 'close' });

    await terminate();
    await request(service.url)
      .get('/health/ready')
      .expect(503, /stopping/);
    await request(service.url).get('/health/live').expect(200);
    connection.send(head('GET', '/v1/avatars/nobody'));
    const answer = await connection.answer();
    expect([answer.status, answer.headers.connection]).toEqual([404, 'close']);
    expect(await connection.closes()).toBe(true);
    expect(service.process.exitCode).toBeNull();
  });

  it('logs readiness answers at debug, even a 503', async () => {
    await start({ SHUTDOWN_DRAIN_MS: FOR_EVER, SHUTDOWN_TIMEOUT_MS: FOR_EVER, LOG_LEVEL: 'debug' });
    await request(service.url).get('/health/ready').expect(200);
    await terminate();
    await request(service.url).get('/health/ready').expect(503);
    await service.logged(/"path":"\/health\/ready","status":503.*\n/);
    const answers = linesWith(service, '"path":"/health/ready"');
    expect(answers.map(({ level }) => level)).toEqual([DEBUG, DEBUG]);
  });

  it('finishes an upload in progress, and exits with 0', async () => {
    await start({ SHUTDOWN_DRAIN_MS: '100' });
    const picture = await sharp({ create: { width: 300, height: 300, channels: 3, background: 'navy' } })
      .png()
      .toBuffer();
    const upload = await beginUpload(picture.length, picture.subarray(0, 100));
    const answered = once(upload, 'response');

    const { ended } = await terminate();
    // By way of a parent that passes it on as well.
    service.process.kill('SIGTERM');
    await closing();
    expect(service.process.exitCode).toBeNull();
    upload.end(picture.subarray(100));

    const [answer] = (await answered) as [IncomingMessage];
    expect(answer.statusCode).toBe(201);
    answer.resume();
    expect(await ended).toEqual([0, null]);
    expect(await openBackend(environment).exists('manifests/late.json')).toBe(true);
  });

  it('gives up after the timeout, and logs it', async () => {
    await start({ SHUTDOWN_TIMEOUT_MS: '500' });
    const upload = await beginUpload(1000, 'never more than this');
    const broken = once(upload, 'error');
    const { ended } = await terminate();
    expect(await ended).toEqual([1, null]);
    expect(service.log()).toContain('SHUTDOWN_TIMEOUT_MS');
    await broken;
  });

  it('does not wait for idle connections, for incomplete headers or for clients that sent nothing', async () => {
    // If it waited for any of them, it would give up after a minute, and end with 1.
    await start({ CONSTANT_REQUEST_HEADERS_TIMEOUT_MS: FOR_EVER, SHUTDOWN_TIMEOUT_MS: '60000' });
    const [halfSent, keptAlive] = await Promise.all([connect(), connect(), connect()]);
    halfSent.send(head('GET', '/v1/avatars/nobody').slice(0, -2));
    keptAlive.send(head('GET', '/health/live'));
    expect((await keptAlive.answer()).status).toBe(200);
    const { ended } = await terminate();
    expect(await ended).toEqual([0, null]);
  });

  it('answers a request behind another one on the same connection as usual, or not at all, while it closes', async () => {
    await start();
    const connection = await connect();
    connection.send(head('PUT', '/v1/avatars/late', { 'Transfer-Encoding': 'chunked' }));
    await spooling();
    const { ended } = await terminate();
    await closing();
    const body = Buffer.from('no picture');
    connection.send(Buffer.concat([chunk(body), Buffer.from(`0\r\n\r\n${head('GET', '/nowhere')}`)]));
    expect((await connection.answer()).status).toBe(415);
    expect(await connection.closes()).toBe(true);
    const last = await connection.answer({ withinMs: 0 }).catch(() => undefined);
    if (last) expect(last.headers['content-type']).toMatch(/problem\+json/);
    expect(await ended).toEqual([0, null]);
  });
});
