import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import request from 'supertest';
import { openBackend } from '../support/backend.js';
import { backends, startService } from '../support/service.js';
import { RawConnection, chunk, head } from '../http/support/raw.js';

describe.each(backends)('SIGTERM on $name', (backend) => {
  it('finishes an upload that is on its way, says not ready meanwhile, and ends with 0', async () => {
    const environment = await backend.environment();
    const service = await startService({ ...environment, SHUTDOWN_DRAIN_MS: '1000' });
    const picture = await sharp({ create: { width: 300, height: 300, channels: 3, background: 'navy' } })
      .png()
      .toBuffer();
    await request(service.url).get('/health/ready').expect(200);

    const upload = httpRequest(`${service.url}/v1/avatars/late`, {
      method: 'PUT',
      headers: { 'Content-Length': picture.length },
    });
    const answered = once(upload, 'response');
    upload.write(picture.subarray(0, 100));
    while ((await service.spooled()).length === 0) await sleep(10);

    const ended = once(service.process, 'exit');
    service.process.kill('SIGTERM');
    while (!service.log().includes('stopping')) await sleep(10);
    await request(service.url)
      .get('/health/ready')
      .expect(503, /stopping/);
    await request(service.url).get('/health/live').expect(200);
    await sleep(1200);
    expect(service.process.exitCode).toBeNull();
    upload.end(picture.subarray(100));

    const [answer] = (await answered) as [IncomingMessage];
    expect(answer.statusCode).toBe(201);
    answer.resume();
    expect(await ended).toEqual([0, null]);
    expect(await openBackend(environment).exists('manifests/late.json')).toBe(true);
    await service.stop();
  });

  it('gives up in the end, and says so', async () => {
    const service = await startService({ ...(await backend.environment()), SHUTDOWN_TIMEOUT_MS: '500' });
    const upload = httpRequest(`${service.url}/v1/avatars/late`, {
      method: 'PUT',
      headers: { 'Content-Length': 1000 },
    });
    const broken = once(upload, 'error');
    upload.write('never more than this');
    while ((await service.spooled()).length === 0) await sleep(10);
    const ended = once(service.process, 'exit');
    service.process.kill('SIGTERM');
    expect(await ended).toEqual([1, null]);
    expect(service.log()).toContain('SHUTDOWN_TIMEOUT_MS');
    await broken;
    await service.stop();
  });

  it('ends keep-alive connections with their next answer while it drains', async () => {
    const service = await startService({ ...(await backend.environment()), SHUTDOWN_DRAIN_MS: '3000' });
    const connection = await RawConnection.open(service.url);
    connection.send(head('GET', '/health/live'));
    expect((await connection.answer()).headers).not.toMatchObject({ connection: 'close' });
    const ended = once(service.process, 'exit');
    service.process.kill('SIGTERM');
    while (!service.log().includes('stopping')) await sleep(10);
    connection.send(head('GET', '/v1/avatars/nobody'));
    const answer = await connection.answer();
    expect([answer.status, answer.headers.connection]).toEqual([404, 'close']);
    expect(await connection.closes(2000)).toBe(true);
    expect(await ended).toEqual([0, null]);
    await service.stop();
  });

  it('is not held up by who has sent nothing, or no whole headers, or by kept-alive connections', async () => {
    const service = await startService(await backend.environment());
    const connections = await Promise.all([1, 2, 3].map(() => RawConnection.open(service.url)));
    const [, halfSent, keptAlive] = connections;
    halfSent?.send(head('GET', '/v1/avatars/nobody').slice(0, -2));
    keptAlive?.send(head('GET', '/health/live'));
    expect((await keptAlive?.answer())?.status).toBe(200);
    const ended = once(service.process, 'exit');
    const start = performance.now();
    service.process.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    // The headers would have had ten seconds, and the whole shutdown 25.
    expect(performance.now() - start).toBeLessThan(8000);
    for (const connection of connections) connection.close();
    await service.stop();
  });

  it('answers as ever a request that comes behind another one while it closes', async () => {
    const service = await startService(await backend.environment());
    const connection = await RawConnection.open(service.url);
    const body = Buffer.from('no picture');
    connection.send(head('PUT', '/v1/avatars/late', { 'Transfer-Encoding': 'chunked' }));
    while ((await service.spooled()).length === 0) await sleep(10);
    const ended = once(service.process, 'exit');
    service.process.kill('SIGTERM');
    while (!service.log().includes('stopping')) await sleep(10);
    await sleep(300);
    connection.send(Buffer.concat([chunk(body), Buffer.from(`0\r\n\r\n${head('GET', '/nowhere')}`)]));
    expect((await connection.answer()).status).toBe(415);
    const last = await connection.answer().catch(() => undefined);
    if (last) expect(last.headers['content-type']).toMatch(/problem\+json/);
    expect(await ended).toEqual([0, null]);
    connection.close();
    await service.stop();
  });
});
