import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERROR_CODES } from '../../src/errors.js';
import { Harness } from '../http/support/harness.js';
import { picture, pngOf } from '../http/support/pictures.js';
import { RawConnection, head, put } from '../http/support/raw.js';
import { backends, openBackend, s3Environment } from '../support/backends.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { type Metric, readMetrics, total } from '../support/scrape.js';
import type { Environment } from '../support/service.js';
import { scrape } from './support.js';

const ROUTE = '/v1/avatars/:id';
const REQUESTS = 'visage_http_request_duration_seconds_count';
const CALLS = 'visage_store_call_duration_seconds_count';

/** More than fit in before the last picture is made. */
const SCRAPES = 200;

/** The changes that one test causes in a service that other tests have used before. */
class Scrapes {
  private before = new Map<string, Metric>();

  constructor(private readonly url: string) {}

  /** Starts counting changes. */
  async begin(): Promise<void> {
    this.before = await scrape(this.url);
  }

  /** @returns a function that tells by how much a sample has changed */
  async changes(): Promise<(name: string, labels?: Record<string, string>) => number> {
    const now = await scrape(this.url);
    return (name, labels) => total(now, name, labels) - total(this.before, name, labels);
  }
}

describe.each(backends)('/metrics of a service on $name', (backend) => {
  let harness: Harness;
  let scrapes: Scrapes;
  let environment: Environment;
  let path: string;
  let count = 0;
  beforeAll(async () => {
    environment = await backend.environment();
    harness = await Harness.start(environment);
    scrapes = new Scrapes(harness.service.url);
  });
  beforeEach(async () => {
    path = `/v1/avatars/somebody-unmistakable-${++count}`;
    await scrapes.begin();
  });
  afterAll(() => harness.stop());
  const upload = async () => {
    expect((await harness.put(path, { body: await picture('png') })).status).toBe(201);
  };

  it("is text in Prometheus' format, needs no key, and is not for caches or pages of another origin", async () => {
    const { status, headers } = await harness.send({ path: '/metrics' });
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(headers['cache-control']).toBe('no-store');
    expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('counts requests by method, route and status class, with their durations', async () => {
    const started = performance.now();
    await upload();
    for (let n = 0; n < 3; n++) await harness.send({ path });
    await harness.send({ method: 'HEAD', path });
    await harness.send({ path: '/v1/avatars/nobody' });
    await harness.send({ path: `${path}/exists` });
    const change = await scrapes.changes();
    const elapsed = (performance.now() - started) / 1000;
    const counted = (method: string, route: string, status: string) =>
      change(REQUESTS, { method, route, status });
    const hot = (method: string) => change('visage_http_hot_answers_total', { method, status: '2xx' });
    expect(counted('PUT', ROUTE, '2xx')).toBe(1);
    expect(counted('GET', ROUTE, '2xx') + hot('GET')).toBe(3);
    expect(counted('GET', ROUTE, '4xx')).toBe(1);
    expect(counted('HEAD', ROUTE, '2xx') + hot('HEAD')).toBe(1);
    expect(counted('GET', `${ROUTE}/exists`, '2xx')).toBe(1);
    expect(change('visage_http_problems_total', { code: 'avatar_not_found' })).toBe(1);
    const seconds = change('visage_http_request_duration_seconds_sum', { method: 'PUT' });
    expect(seconds).toBeGreaterThan(0.001);
    expect(seconds).toBeLessThan(elapsed);
    const upTo = (le: string) =>
      change('visage_http_request_duration_seconds_bucket', { method: 'PUT', route: ROUTE, le });
    expect([upTo('0.001'), upTo('30'), upTo('+Inf')]).toEqual([0, Number(seconds <= 30), 1]);
  });

  it('counts calls to the store by operation and outcome, with their durations', async () => {
    await upload();
    await harness.send({ path: '/v1/avatars/nobody-else' });
    const change = await scrapes.changes();
    expect(change(CALLS, { operation: 'store', outcome: 'ok' })).toBe(2);
    expect(change(CALLS, { operation: 'get', outcome: 'absent' })).toBeGreaterThan(0);
    expect(change('visage_store_call_duration_seconds_sum', { operation: 'store' })).toBeGreaterThan(0);
    const now = await scrape(harness.service.url);
    expect(total(now, CALLS, { operation: 'check', outcome: 'ok' })).toBeGreaterThan(0);
  });

  it('counts pictures made, and refused pictures by reason', async () => {
    await upload();
    await harness.send({ path: `${path}?size=32&format=png` });
    await harness.put(path, { body: 'no picture' });
    await harness.put(path, { body: (await picture('png')).subarray(0, 200) });
    const change = await scrapes.changes();
    const pictures = (kind: string, outcome: string) => change('visage_pictures_total', { kind, outcome });
    expect(pictures('master', 'made')).toBe(1);
    expect(pictures('rendition', 'made')).toBe(1);
    expect(pictures('master', 'unsupported_image')).toBe(1);
    expect(pictures('master', 'unreadable_image')).toBe(1);
    expect(change('visage_picture_duration_seconds_count', { kind: 'master' })).toBe(1);
    expect(change('visage_picture_duration_seconds_sum', { kind: 'master' })).toBeGreaterThan(0);
  });

  it('shows what the caches hold and how often they hit', async () => {
    await upload();
    const rendition = `${path}?size=32&format=png`;
    for (let n = 0; n < 5; n++) await harness.send({ path: rendition });
    const change = await scrapes.changes();
    // The master is in memory since its upload.
    const bodies = await Promise.all([path, rendition].map((one) => harness.send({ path: one })));
    const length = bodies.reduce((sum, { body }) => sum + body.length, 0);
    const of = (cache: string) => ({
      hits: change('visage_cache_lookups_total', { cache, result: 'hit' }),
      misses: change('visage_cache_lookups_total', { cache, result: 'miss' }),
      entries: change('visage_cache_entries', { cache }),
      bytes: change('visage_cache_bytes', { cache }),
    });
    expect(of('renditions')).toEqual({ hits: 4, misses: 1, entries: 2, bytes: length });
    expect(of('drawings')).toEqual({ hits: 0, misses: 0, entries: 0, bytes: 0 });
    const manifests = of('manifests');
    expect(manifests.hits + manifests.misses).toBe(5);
    expect(manifests.entries).toBe(1);
    expect(manifests.bytes).toBeGreaterThan(0);
  });

  it('shows how many drawings are kept, with what an entry takes beside its bytes', async () => {
    const drawing = '?default=retro&size=32&format=png';
    const drawn = await harness.send({ path: `${path}-absent${drawing}` });
    for (let n = 0; n < 5; n++) await harness.send({ path: `${path}-absent${drawing}` });
    const change = await scrapes.changes();
    const lookups = (result: string) => change('visage_cache_lookups_total', { cache: 'drawings', result });
    expect([lookups('hit'), lookups('miss')]).toEqual([5, 1]);
    expect(change('visage_cache_entries', { cache: 'drawings' })).toBe(1);
    expect(change('visage_cache_bytes', { cache: 'drawings' })).toBe(drawn.body.length + 512);
  });

  it('counts the bytes of hot answers, and keeps none for a long URL, and one for all headers that mean the same', async () => {
    await upload();
    const hot = async () => (await scrapes.changes())('visage_cache_entries', { cache: 'hot' });
    for (const size of [48, 64, 96]) await harness.send({ path: `${path}?size=${size}&made-up=${size}` });
    expect(await hot()).toBe(3);
    expect((await scrapes.changes())('visage_cache_bytes', { cache: 'hot' })).toBeGreaterThan(3 * 2048);
    await harness.send({ path: `${path}?size=128&made-up=${'x'.repeat(3000)}` });
    expect(await hot()).toBe(3);
    for (const length of [0, 300, 3000]) {
      await harness.send({ path: `${path}?size=32`, headers: { Accept: `text/${'x'.repeat(length)}` } });
    }
    expect(await hot()).toBe(4);
  });

  it('counts uploads by outcome', async () => {
    await upload();
    expect((await harness.put(path, { body: await picture('png') })).status).toBe(200);
    await harness.put(path, { body: 'no picture' });
    await harness.send({ method: 'PUT', path: `${path}/current`, body: '{}' });
    const change = await scrapes.changes();
    const outcomes = ['created', 'same', 'queued', 'refused'];
    expect(outcomes.map((outcome) => change('visage_uploads_total', { outcome }))).toEqual([1, 1, 0, 1]);
  });

  it('shows the free space of its disks', async () => {
    const folders = backend.name === 'local' ? ['storage', 'spool'] : ['outbox', 'spool'];
    const now = await scrape(harness.service.url);
    for (const folder of folders) {
      const free = total(now, 'visage_disk_free_bytes', { folder });
      expect(free).toBeGreaterThan(0);
      expect(total(now, 'visage_disk_size_bytes', { folder })).toBeGreaterThan(free);
    }
    expect(now.get('visage_disk_free_bytes')?.samples).toHaveLength(folders.length);
  });

  it('counts manifests that somebody else deleted, and logs the first one', async () => {
    await upload();
    const cached = await harness.send({ path: `${path}/info` });
    expect(cached.status).toBe(200);
    await openBackend(environment).delete(`manifests/somebody-unmistakable-${count}.json`);
    while ((await harness.send({ path: `${path}/info` })).status !== 404) await sleep(20);
    expect((await scrapes.changes())('visage_manifests_vanished_total')).toBe(1);
    await harness.service.logged(/a manifest that was in the storage is gone/);
  });

  it('says which version runs, and on which storage', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const now = await scrape(harness.service.url);
    expect(total(now, 'visage_build_info', { version })).toBe(1);
    expect(total(now, 'visage_storage_reachable', { backend: backend.name })).toBe(1);
    expect(total(now, 'visage_storage_conditional_writes', { kind: 'honoured' })).toBe(1);
    expect(total(now, 'visage_storage_conditional_writes')).toBe(1);
    expect(total(now, 'nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
    expect(total(now, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
  });

  it('does not grow with names that clients make up', async () => {
    await upload();
    const requests = [
      { path: '/metrics' },
      { path: '/v1/avatars/nobody' },
      { path: '/unmistakable-path' },
      { path: '/v1/avatars/a/unmistakable-version/unmistakable.jpeg' },
      { path: `${path}?unmistakable=1` },
      { path: '/v1/avatars/%00' },
      { path: '/v1/avatars/a/b/c/d/unmistakable' },
      { method: 'PROPFIND', path: '/unmistakable' },
      { method: 'PURGE', path },
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

it('starts every counter of problems, uploads and pictures at 0', async () => {
  const harness = await Harness.start(await local.environment());
  const now = await scrape(harness.service.url);
  const at = (name: string, label: string) => now.get(name)?.samples.map(({ labels }) => labels[label]);
  expect(at('visage_http_problems_total', 'code')).toEqual([...ERROR_CODES]);
  expect(at('visage_uploads_total', 'outcome')).toEqual(['created', 'same', 'queued', 'refused']);
  expect(at('visage_pictures_total', 'outcome')).toContain('made');
  for (const name of ['visage_http_problems_total', 'visage_uploads_total', 'visage_pictures_total'])
    expect(total(now, name)).toBe(0);
  await harness.stop();
});

describe('/metrics of a service at work', () => {
  let harness: Harness;
  beforeEach(async () => {
    const environment = await local.environment();
    harness = await Harness.start({ ...environment, IMAGE_CONCURRENCY: '1', CONSTANT_IMAGE_QUEUE: '1' });
  });
  afterEach(() => harness.stop());

  it('shows the uploads in progress', async () => {
    const body = await picture('png');
    const upload = await RawConnection.open(harness.service.url);
    upload.send(head('PUT', '/v1/avatars/slow', { 'Content-Length': body.length }));
    upload.send(body.subarray(0, 100));
    await harness.spooling(1);
    expect(total(await scrape(harness.service.url), 'visage_uploads_under_way')).toBe(1);
    upload.send(body.subarray(100));
    expect((await upload.answer()).status).toBe(201);
    upload.close();
    expect(total(await scrape(harness.service.url), 'visage_uploads_under_way')).toBe(0);
  });

  it('shows the pictures in progress, waiting and refused', async () => {
    const slow = pngOf({ width: 7000, height: 7000, bits: 1 });
    // Many scrapes, one after the other while the service is at it, however busy the test is. Between them it looks at its
    // disk, so that its other work goes on.
    const scraping = Array.from(
      { length: SCRAPES },
      (_, n) => head('GET', `/v1/avatars/nobody-${n}/exists`) + head('GET', '/metrics'),
    );
    const [scraper, ...uploads] = await harness.atOnce([
      Buffer.from(scraping.join('')),
      ...Array.from({ length: 8 }, (_, n) => put(`/v1/avatars/slow-${n}`, slow)),
    ]);
    const answers = await Promise.all(uploads.map((upload) => upload.answer()));
    const refused = answers.filter(({ status }) => status === 503).length;
    expect(refused).toBeGreaterThan(0);
    const seen = { active: 0, waiting: 0 };
    for (let n = 0; n < SCRAPES; n++) {
      await scraper?.answer();
      const metrics = readMetrics(String((await scraper?.answer())?.body));
      for (const state of ['active', 'waiting'] as const) {
        seen[state] = Math.max(seen[state], total(metrics, 'visage_image_turns', { line: 'masters', state }));
      }
    }
    expect(seen).toEqual({ active: 1, waiting: 1 });
    const now = await scrape(harness.service.url);
    expect(total(now, 'visage_image_turns', { line: 'masters' })).toBe(0);
    expect(total(now, 'visage_pictures_total', { kind: 'master', outcome: 'busy' })).toBe(refused);
    expect(total(now, 'visage_http_problems_total', { code: 'busy' })).toBe(refused);
    expect(total(now, REQUESTS, { method: 'PUT', status: '5xx' })).toBe(refused);
  });
});

describe('/metrics of a service whose bucket is away', () => {
  it('shows the entries of the outbox, and that the breaker is open', async () => {
    const harness = await Harness.start({
      STORAGE_BACKEND: 's3',
      STORAGE_S3_BUCKET: 'visage-none',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_ACCESS_KEY_ID: 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: 'none',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '600000',
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

describeS3('/metrics of a service that cannot use its bucket', () => {
  it.each([
    ['unavailable', { STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1' }],
    ['refused', { STORAGE_S3_SECRET_ACCESS_KEY: 'wrong' }],
  ])('is answered, and counts the calls as %s', async (outcome, broken) => {
    const harness = await Harness.start({ ...(await s3Environment()), ...broken });
    expect((await harness.send({ path: '/v1/avatars/somebody' })).status).toBe(503);
    const now = await scrape(harness.service.url);
    expect(total(now, 'visage_storage_reachable')).toBe(0);
    expect(now.get('visage_storage_reachable')?.samples).toHaveLength(1);
    expect(total(now, CALLS, { operation: 'get', outcome })).toBe(1);
    expect(total(now, 'visage_http_problems_total', { code: 'storage_unavailable' })).toBeGreaterThan(0);
    await harness.stop();
  });
});
