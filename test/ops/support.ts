import { send } from '../http/support/client.js';
import { type Metric, readMetrics } from '../support/scrape.js';

export async function scrape(url: string): Promise<Map<string, Metric>> {
  const { status, body } = await send(url, { path: '/metrics' });
  expect(status).toBe(200);
  return readMetrics(body.toString());
}
