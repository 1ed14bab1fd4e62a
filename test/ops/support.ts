import { Registry } from 'prom-client';
import { registerBreaker, registerOutbox } from '../../src/ops/gauges.js';
import { send } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { type Metric, readMetrics } from '../support/scrape.js';
import { backends } from '../support/service.js';

export async function scrape(url: string): Promise<Map<string, Metric>> {
  const { status, body } = await send(url, { path: '/metrics' });
  expect(status).toBe(200);
  return readMetrics(body.toString());
}

/** A scrape of a service that has done a little of everything, so that every metric has its labels. */
export async function everyMetric(): Promise<Map<string, Metric>> {
  const harness = await Harness.start((await backends[0]?.environment()) ?? {});
  await harness.takesUploads();
  await harness.send({ path: '/v1/avatars/nobody' });
  const metrics = await scrape(harness.service.url);
  await harness.stop();
  return new Map([...metrics, ...(await notWiredYet())]);
}

/** What the service will register as soon as it has an outbox and a breaker. */
async function notWiredYet(): Promise<Map<string, Metric>> {
  const registry = new Registry();
  registerOutbox(registry, () => ({
    entries: 0,
    bytes: 0,
    maxEntries: 1,
    maxBytes: 1,
    oldestAgeMs: 0,
    setAside: 0,
  }));
  registerBreaker(registry, () => 'closed');
  return readMetrics(await registry.metrics());
}

/** The names of the labels of a metric, in the order of the alphabet; `le` belongs to the format. */
export function labelsOf({ samples }: Metric): string[] {
  const labels = samples.flatMap((sample) => Object.keys(sample.labels));
  return [...new Set(labels)].filter((label) => label !== 'le').sort();
}
