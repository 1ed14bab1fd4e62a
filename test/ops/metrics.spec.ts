import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Harness } from '../http/support/harness.js';
import { picture, pngOf } from '../http/support/pictures.js';
import { RawConnection, head } from '../http/support/raw.js';
import { total } from '../support/scrape.js';
import { backends } from '../support/service.js';
import { scrape } from './support.js';

const PATH = '/v1/avatars/somebody-unmistakable';
const ROUTE = '/v1/avatars/:id';
const REQUESTS = 'visage_http_request_duration_seconds_count';
const CALLS = 'visage_store_call_duration_seconds_count';

describe.each(backends)('/metrics of a service on $name', (backend) => {
  let harness: Harness;
  beforeEach(async () => {
    harness = await Harness.start(await backend.environment());
  });
  afterEach(() => harness.stop());
  const metrics = () => scrape(harness.service.url);
  const upload = async () => {
    expect((await harness.put(PATH, { body: await picture('png') })).status).toBe(201);
  };

  it('is text in the format of Prometheus, open, for no cache and for no page of another origin', async () => {
    const { status, headers } = await harness.send({ path: '/metrics' });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('counts requests by method, route and class of status, with their times', async () => {
    await upload();
    for (let n = 0; n < 3; n++) await harness.send({ path: PATH });
    await harness.send({ method: 'HEAD', path: PATH });
    await harness.send({ path: '/v1/avatars/nobody' });
    await harness.send({ path: `${PATH}/exists` });
    const now = await metrics();
    const count = (method: string, route: string, status: string) =>
      total(now, REQUESTS, { method, route, status });
    const hot = (method: string) => total(now, 'visage_http_hot_answers_total', { method, status: '2xx' });
    expect(count('PUT', ROUTE, '2xx')).toBe(1);
    expect(count('GET', ROUTE, '2xx') + hot('GET')).toBe(3);
    expect(count('GET', ROUTE, '4xx')).toBe(1);
    expect(count('HEAD', ROUTE, '2xx') + hot('HEAD')).toBe(1);
    expect(count('GET', `${ROUTE}/exists`, '2xx')).toBe(1);
    expect(total(now, 'visage_http_problems_total', { code: 'avatar_not_found' })).toBe(1);
    const upTo = (le: string) =>
      total(now, 'visage_http_request_duration_seconds_bucket', { method: 'PUT', route: ROUTE, le });
    expect([upTo('0.001'), upTo('30'), upTo('+Inf')]).toEqual([0, 1, 1]);
    const seconds = total(now, 'visage_http_request_duration_seconds_sum', { method: 'PUT' });
    expect(seconds).toBeGreaterThan(0.001);
    expect(seconds).toBeLessThan(30);
  });

  it('counts calls to the store by operation and outcome, with their times', async () => {
    const before = await metrics();
    await upload();
    await harness.send({ path: '/v1/avatars/nobody' });
    const after = await metrics();
    const calls = (operation: string, outcome: string) =>
      total(after, CALLS, { operation, outcome }) - total(before, CALLS, { operation, outcome });
    expect(calls('store', 'ok')).toBe(2);
    expect(calls('get', 'absent')).toBeGreaterThan(0);
    expect(total(after, CALLS, { operation: 'check', outcome: 'ok' })).toBeGreaterThan(0);
    expect(total(after, 'visage_store_call_duration_seconds_sum', { operation: 'store' })).toBeGreaterThan(0);
  });

  it('counts pictures made, and those refused by the reason', async () => {
    await upload();
    await harness.send({ path: `${PATH}?size=32&format=png` });
    await harness.put(PATH, { body: 'no picture' });
    await harness.put(PATH, { body: (await picture('png')).subarray(0, 200) });
    const now = await metrics();
    const pictures = (kind: string, outcome: string) =>
      total(now, 'visage_pictures_total', { kind, outcome });
    expect(pictures('master', 'made')).toBe(1);
    expect(pictures('rendition', 'made')).toBe(1);
    expect(pictures('master', 'unsupported_image')).toBe(1);
    expect(pictures('master', 'unreadable_image')).toBe(1);
    expect(total(now, 'visage_picture_duration_seconds_count', { kind: 'master' })).toBe(1);
    expect(total(now, 'visage_picture_duration_seconds_sum', { kind: 'master' })).toBeGreaterThan(0);
  });

  it('shows what the caches hold and how often they were of use', async () => {
    await upload();
    for (let n = 0; n < 5; n++) await harness.send({ path: PATH });
    const now = await metrics();
    const { length } = (await harness.send({ path: PATH })).body;
    const of = (cache: string) => ({
      hits: total(now, 'visage_cache_lookups_total', { cache, result: 'hit' }),
      misses: total(now, 'visage_cache_lookups_total', { cache, result: 'miss' }),
      entries: total(now, 'visage_cache_entries', { cache }),
      bytes: total(now, 'visage_cache_bytes', { cache }),
    });
    expect(of('renditions')).toEqual({ hits: 4, misses: 1, entries: 1, bytes: length });
    const manifests = of('manifests');
    expect(manifests.hits + manifests.misses).toBe(5);
    expect(manifests.entries).toBe(1);
    expect(manifests.bytes).toBeGreaterThan(0);
  });

  it('counts what hot answers take, and keeps none that is asked for at length', async () => {
    await upload();
    const hot = async () => total(await metrics(), 'visage_cache_entries', { cache: 'hot' });
    for (let n = 0; n < 3; n++) await harness.send({ path: `${PATH}?made-up=${n}` });
    expect(await hot()).toBe(3);
    expect(total(await metrics(), 'visage_cache_bytes', { cache: 'hot' })).toBeGreaterThan(3 * 2048);
    await harness.send({ path: `${PATH}?made-up=${'x'.repeat(3000)}` });
    await harness.send({ path: `${PATH}?size=32`, headers: { Accept: 'x'.repeat(3000) } });
    expect(await hot()).toBe(3);
  });

  it('says which version runs on what storage', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const now = await metrics();
    expect(total(now, 'visage_build_info', { version })).toBe(1);
    expect(total(now, 'visage_storage_reachable', { backend: backend.name })).toBe(1);
    expect(total(now, 'visage_storage_conditional_writes', { kind: 'honoured' })).toBe(1);
    expect(total(now, 'visage_storage_conditional_writes')).toBe(1);
    expect(total(now, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(total(now, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
  });

  it('never grows by what clients make up', async () => {
    await upload();
    const requests = [
      { path: '/metrics' },
      { path: '/v1/avatars/nobody' },
      { path: '/unmistakable-path' },
      { path: '/v1/avatars/a/unmistakable-version/unmistakable.jpeg' },
      { path: `${PATH}?unmistakable=1` },
      { path: '/v1/avatars/%00' },
      { path: '/v1/avatars/a/b/c/d/unmistakable' },
      { method: 'PROPFIND', path: '/unmistakable' },
      { method: 'PURGE', path: PATH },
    ];
    for (const request of requests) await harness.send(request);
    const first = (await harness.send({ path: '/metrics' })).body.toString();
    expect(first).not.toContain('unmistakable');
    expect(first).not.toMatch(/PROPFIND|PURGE/);
    const series = (text: string) => text.split('\n').filter((line) => line.startsWith('visage_')).length;
    for (let n = 0; n < 20; n++) {
      await harness.send({ path: `/v1/avatars/made-up-${n}` });
      await harness.send({ path: `/made-up-${n}` });
    }
    const second = (await harness.send({ path: '/metrics' })).body.toString();
    expect(series(second)).toBe(series(first));
  });
});

describe('/metrics of a service at work', () => {
  const [local] = backends;

  it('shows the uploads under way', async () => {
    const harness = await Harness.start((await local?.environment()) ?? {});
    const body = await picture('png');
    const upload = await RawConnection.open(harness.service.url);
    upload.send(head('PUT', PATH, { 'Content-Length': body.length }));
    upload.send(body.subarray(0, 100));
    await harness.spooling(1);
    expect(total(await scrape(harness.service.url), 'visage_uploads_under_way')).toBe(1);
    upload.send(body.subarray(100));
    expect((await upload.answer()).status).toBe(201);
    upload.close();
    expect(total(await scrape(harness.service.url), 'visage_uploads_under_way')).toBe(0);
    await harness.stop();
  });

  it('shows the pictures that are worked on, that wait, and that were refused', async () => {
    const environment = { ...(await local?.environment()), IMAGE_CONCURRENCY: '1', IMAGE_QUEUE: '1' };
    const harness = await Harness.start(environment);
    const slow = pngOf({ width: 7000, height: 7000 });
    const turns = async (state: string) =>
      total(await scrape(harness.service.url), 'visage_image_turns', { line: 'masters', state });
    let refused = 0;
    let seen = false;
    // Again, until a scrape falls into the time that one waits.
    for (let round = 0; !seen; round++) {
      const uploads = Array.from({ length: 8 }, (_, n) =>
        harness.put(`/v1/avatars/slow-${round}-${n}`, { body: slow }),
      );
      const answered = Promise.all(uploads).then((answers) => {
        refused += answers.filter(({ status }) => status === 503).length;
        return true;
      });
      while (!(await Promise.race([answered, sleep(1, false)]))) {
        if ((await turns('waiting')) === 0) continue;
        seen = true;
        expect(await turns('active')).toBeLessThanOrEqual(1);
      }
    }
    expect(refused).toBeGreaterThan(0);
    const now = await scrape(harness.service.url);
    expect(total(now, 'visage_image_turns', { line: 'masters' })).toBe(0);
    expect(total(now, 'visage_pictures_total', { kind: 'master', outcome: 'busy' })).toBe(refused);
    expect(total(now, 'visage_http_problems_total', { code: 'busy' })).toBe(refused);
    expect(total(now, REQUESTS, { method: 'PUT', status: '5xx' })).toBe(refused);
    await harness.stop();
  });
});

const s3 = backends.find(({ name }) => name === 's3');

describe('/metrics of a service whose bucket is away', () => {
  it('shows what waits in the outbox, and that the breaker is open', async () => {
    const harness = await Harness.start({
      STORAGE_BACKEND: 's3',
      STORAGE_S3_BUCKET: 'visage-none',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_ACCESS_KEY_ID: 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: 'none',
      STORAGE_S3_BREAKER_RESET_MS: '600000',
      OUTBOX_MAX_ENTRIES: '77',
      OUTBOX_MAX_BYTES: '7777777',
    });
    const { url } = harness.service;
    expect(total(await scrape(url), 'visage_outbox_entries')).toBe(0);
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      expect((await harness.put(`/v1/avatars/${id}`, { body: await picture('png') })).status).toBe(202);
    }
    const now = await scrape(url);
    expect(total(now, 'visage_outbox_entries')).toBe(5);
    expect(total(now, 'visage_outbox_bytes')).toBeGreaterThan(1000);
    expect(total(now, 'visage_outbox_oldest_age_seconds')).toBeGreaterThan(0);
    expect(total(now, 'visage_outbox_set_aside_entries')).toBe(0);
    expect(total(now, 'visage_outbox_max_entries')).toBe(77);
    expect(total(now, 'visage_outbox_max_bytes')).toBe(7777777);
    expect(total(now, 'visage_breaker_state', { state: 'open' })).toBe(1);
    expect(total(now, 'visage_breaker_state')).toBe(1);
    await harness.stop();
  });
});

(s3 ? describe : describe.skip)('/metrics of a service whose bucket is of no use', () => {
  it.each([
    ['unavailable', { STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1' }],
    ['refused', { STORAGE_S3_SECRET_ACCESS_KEY: 'wrong' }],
  ])('is answered, and counts calls as %s', async (outcome, broken) => {
    const harness = await Harness.start({ ...(await s3?.environment()), ...broken });
    expect((await harness.send({ path: PATH })).status).toBe(503);
    const now = await scrape(harness.service.url);
    expect(total(now, 'visage_storage_reachable')).toBe(0);
    expect(now.get('visage_storage_reachable')?.samples).toHaveLength(1);
    expect(total(now, CALLS, { operation: 'get', outcome })).toBe(1);
    expect(total(now, 'visage_http_problems_total', { code: 'storage_unavailable' })).toBeGreaterThan(0);
    await harness.stop();
  });
});
