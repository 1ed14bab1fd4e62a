import { bearer, item } from '../support/api-keys.js';
import { send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { type Metric, readMetrics } from '../support/scrape.js';
import { startService } from '../support/service.js';

export async function scrape(url: string): Promise<Map<string, Metric>> {
  const { status, body } = await send(url, { path: '/metrics' });
  expect(status).toBe(200);
  return readMetrics(body.toString());
}

/**
 * A scrape of a service that has done a little of everything, so that every metric has its labels. It has an outbox and a
 * breaker, which only a service on a bucket has, and neither a bucket, a CDN nor an identity provider, so that it needs no server.
 */
export async function everyMetric(): Promise<Map<string, Metric>> {
  const service = await startService({
    STORAGE_BACKEND: 's3',
    STORAGE_S3_BUCKET: 'visage-none',
    STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
    STORAGE_S3_ACCESS_KEY_ID: 'none',
    STORAGE_S3_SECRET_ACCESS_KEY: 'none',
    CDN_PURGE: 'http',
    CDN_HTTP_URL: 'http://127.0.0.1:1/{tag}',
    API_KEYS: item('app', 'write'),
    JWT_ISSUER: 'http://127.0.0.1:1',
    JWT_JWKS_URL: 'http://127.0.0.1:1/jwks',
    JWT_AUDIENCE: 'none',
  });
  const uploaded = await send(service.url, {
    method: 'PUT',
    path: '/v1/avatars/a',
    headers: bearer('app'),
    body: await picture('png'),
  });
  expect(uploaded.status).toBe(202);
  expect((await send(service.url, { path: '/v1/avatars/nobody' })).status).toBe(503);
  let metrics = await scrape(service.url);
  // Garbage collections have their label once there was one, which scrapes lead to.
  while (metrics.get('nodejs_gc_duration_seconds')?.samples.length === 0) metrics = await scrape(service.url);
  await service.stop();
  return metrics;
}

/** The label names of a metric in alphabetical order, without `le`, which belongs to the format. */
export function labelsOf({ samples }: Metric): string[] {
  const labels = samples.flatMap((sample) => Object.keys(sample.labels));
  return [...new Set(labels)].filter((label) => label !== 'le').sort();
}
