import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import request from 'supertest';
import { openBackend } from '../support/backend.js';
import { backends, startService } from '../support/service.js';

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
});
