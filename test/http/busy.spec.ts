import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pictureKey } from '../../src/model/keys.js';
import { longWebp } from '../images/containers.js';
import { scrape } from '../ops/support.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { total } from '../support/scrape.js';
import { problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture, pngOf } from './support/pictures.js';
import { RawConnection, head, put } from './support/raw.js';

const BUSY = { status: 503, code: 'busy' };
/** More bytes than the sockets of both sides can hold. */
const LARGE = 64 * 1024 * 1024;

describe('a busy service', () => {
  it('accepts UPLOAD_CONCURRENCY uploads at once and no more', async () => {
    const harness = await startLocal({ UPLOAD_CONCURRENCY: '1', AVATAR_MAX_SIZE_BYTES: String(LARGE) });
    const body = await picture('png');
    const first = await RawConnection.open(harness.service.url);
    first.send(head('PUT', '/v1/avatars/first', { 'Content-Length': body.length }));
    first.send(body.subarray(0, 100));
    await harness.spooling(1);

    const before = await harness.traces();
    const refused = await harness.put('/v1/avatars/second', { body });
    expect(problemOf(refused)).toEqual(BUSY);
    expect(refused.headers['retry-after']).toBe('1');
    expect((await harness.send({ path: '/v1/avatars/second/exists' })).status).toBe(200);
    await harness.cleanAs(before);

    const blind = await RawConnection.open(harness.service.url);
    blind.socket.pause();
    // The client sends everything before it reads the answer, and must not be reset before that.
    const sent = new Promise((resolve) =>
      blind.socket.write(put('/v1/avatars/blind', Buffer.alloc(LARGE)), resolve),
    );
    expect(await sent).toBeFalsy();
    blind.socket.resume();
    expect(problemOf(await blind.answer())).toEqual(BUSY);
    expect(await blind.closes()).toBe(true);

    first.send(body.subarray(100));
    expect((await first.answer()).status).toBe(201);
    first.close();
    await harness.takesUploads();
    await harness.stop();
  });

  it('accepts another upload after one was aborted', async () => {
    const harness = await startLocal({ UPLOAD_CONCURRENCY: '1' });
    for (let n = 0; n < 5; n++) {
      await harness.leavesNothing(async (path) => {
        const broken = await RawConnection.open(harness.service.url);
        broken.send(head('PUT', path, { 'Content-Length': 1000 })).send('x');
        await harness.spooling(1);
        broken.close();
        await harness.spooling(0);
      });
    }
    await harness.stop();
  });

  it('handles pictures one after the other if none may wait', async () => {
    const harness = await startLocal({ IMAGE_CONCURRENCY: '1', CONSTANT_IMAGE_QUEUE: '0' });
    await harness.takesUploads();
    await harness.stop();
  });

  it('lets as many pictures wait as the queue takes and no more', async () => {
    const harness = await startLocal({ IMAGE_CONCURRENCY: '1', CONSTANT_IMAGE_QUEUE: '1' });
    const slow = pngOf({ width: 7000, height: 7000, bits: 1 });
    const uploads = await harness.atOnce(
      Array.from({ length: 8 }, (_, n) => put(`/v1/avatars/slow-${n}`, slow)),
    );
    const answers = await Promise.all(uploads.map((upload) => upload.answer()));
    const refused = answers.filter(({ status }) => status !== 201);
    // All of them have arrived before the first one starts.
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(8);
    for (const answer of refused) {
      expect(problemOf(answer)).toEqual(BUSY);
      expect(answer.headers['retry-after']).toBe('1');
    }
    const { stored, spooled } = await harness.traces();
    const avatars = new Set(stored.flatMap((key) => /slow-\d/.exec(key) ?? []));
    expect({ avatars: avatars.size, spooled }).toEqual({ avatars: 8 - refused.length, spooled: [] });
    await harness.takesUploads();
    await harness.stop();
  });

  it('does not retry a rendition that took too long for a while', async () => {
    const storage = await local.environment();
    const harness = await Harness.start({ ...storage, IMAGE_TIMEOUT_MS: '1000', AVATAR_WARM_SIZES: '0' });
    // The slow one is another version of it, which has left the history.
    await harness.put('/v1/avatars/slow', { body: await picture('png') });
    const version = '01890a5d-ac96-774b-bcce-b302099a8057';
    const master = join(storage['STORAGE_LOCAL_PATH'] ?? '', pictureKey('slow', version, 'master.webp'));
    await mkdir(dirname(master), { recursive: true });
    await writeFile(master, await longWebp());
    const ask = (name: string) => harness.send({ path: `/v1/avatars/slow/${version}/${name}` });

    const first = await ask('1024.gif');
    expect([problemOf(first), first.headers['retry-after']]).toEqual([BUSY, '60']);
    const second = await ask('1024.gif');
    expect(problemOf(second)).toEqual(BUSY);
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(1);
    const attempts = async () =>
      total(await scrape(harness.service.url), 'visage_pictures_total', { kind: 'rendition' });
    expect(await attempts()).toBe(1);
    // Another one is tried, whether or not this machine renders it within a second.
    await ask('16.png');
    expect(await attempts()).toBe(2);
    await harness.stop();
  });
});

describeS3('a burst of readers', () => {
  let proxy: FaultProxy;
  afterEach(() => proxy.stop());

  it('makes calls wait for the bucket or refuses them, without an outage or a flooded log', async () => {
    const behind = await behindProxy(await s3Environment());
    proxy = behind.proxy;
    const harness = await Harness.start({
      ...behind.environment,
      STORAGE_S3_TIMEOUT_MS: '3600000',
      STORAGE_S3_CONCURRENCY: '4',
      CONSTANT_STORAGE_S3_QUEUE: '10',
      CONSTANT_HEALTH_MAX_AGE_MS: '0',
      AVATAR_GRACE_MS: '360000000',
    });
    const held = Array.from({ length: 4 }, () => proxy.hold({ operation: 'GetObject' }));
    let answered = 0;
    const reads = Array.from({ length: 50 }, async (_, n) => {
      const answer = await harness.send({ path: `/v1/avatars/nobody-${n}` });
      answered++;
      return answer;
    });
    await Promise.all(held);
    while (answered < 36) await sleep(5);

    // Changes wait in a line of their own, and health checks in none.
    const upload = harness.put('/v1/avatars/somebody', { body: await picture('png') });
    expect((await harness.send({ path: '/health/ready' })).status).toBe(200);
    for (const one of held) (await one).pass();
    expect((await upload).status).toBe(201);
    const problems = (await Promise.all(reads)).map(problemOf);
    expect(problems.filter(({ code }) => code === 'avatar_not_found')).toHaveLength(14);
    expect(problems.filter(({ code }) => code !== 'avatar_not_found')).toEqual(Array(36).fill(BUSY));
    const metrics = (await harness.send({ path: '/metrics' })).body.toString();
    expect(metrics).toContain('visage_breaker_state{state="closed"} 1');
    expect(metrics).toContain('visage_store_call_duration_seconds_count{operation="get",outcome="busy"} 36');

    await harness.stop();
    const lines = harness.service
      .log()
      .split('\n')
      .filter((line) => line.includes('"code":"busy"'));
    const told = (message: string) => lines.filter((line) => line.includes(`"msg":"${message}"`));
    const leftOut = told('more requests failed like this one').map((line) =>
      Number(/"leftOut":(\d+)/.exec(line)?.[1]),
    );
    const whole = told('the request failed').length;
    expect(whole + leftOut.reduce((sum, count) => sum + count, 0)).toBe(36);
    expect(leftOut.length).toBeLessThanOrEqual(whole);
    expect(told('request')).toHaveLength(whole);
  });
});

async function startLocal(settings: Record<string, string>): Promise<Harness> {
  return Harness.start({ ...(await local.environment()), ...settings });
}
