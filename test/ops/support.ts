import { send } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { type Metric, readMetrics } from '../support/scrape.js';
import { backends } from '../support/service.js';

export async function scrape(url: string): Promise<Map<string, Metric>> {
  const { status, body } = await send(url, { path: '/metrics' });
  expect(status).toBe(200);
  return readMetrics(body.toString());
}

/** A scrape of a service on a bucket that has done a little of everything, so that every metric has its labels. */
export async function everyMetric(): Promise<Map<string, Metric>> {
  const harness = await Harness.start((await backends.at(-1)?.environment()) ?? {});
  await harness.takesUploads();
  await harness.send({ path: '/v1/avatars/nobody' });
  const metrics = await scrape(harness.service.url);
  await harness.stop();
  return metrics;
}

/** The names of the labels of a metric, in the order of the alphabet; `le` belongs to the format. */
export function labelsOf({ samples }: Metric): string[] {
  const labels = samples.flatMap((sample) => Object.keys(sample.labels));
  return [...new Set(labels)].filter((label) => label !== 'le').sort();
}
