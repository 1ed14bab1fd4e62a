import { Settings } from '../../src/config/settings.js';
import { Metrics } from '../../src/ops/metrics.js';
import { CacheMetrics } from '../../src/ops/service-metrics.js';
import { OutboxMetrics } from '../../src/ops/outbox-metrics.js';
import { StorageMetrics } from '../../src/ops/storage-metrics.js';
import type { Outbox } from '../../src/outbox/outbox.js';
import type { StorageCircuit } from '../../src/storage/guarded.store.js';
import { readMetrics, total } from '../support/scrape.js';

const scrape = async ({ registry }: Metrics) => readMetrics(await registry.metrics());

describe('metrics that are read at each scrape', () => {
  it('show the outbox as it is then', async () => {
    const metrics = new Metrics();
    let report = { entries: 2, bytes: 3000, oldestAgeMs: 1500, setAside: 1 };
    const limits = { maxEntries: 10, maxBytes: 5000 };
    new OutboxMetrics(metrics, { enabled: true, report: () => report, limits } as Outbox);
    const values = async () => {
      const found = await scrape(metrics);
      const names = [...found.keys()].filter((name) => name.startsWith('visage_outbox_'));
      return names.map((name) => `${name} ${total(found, name)}`);
    };
    expect(await values()).toEqual([
      'visage_outbox_entries 2',
      'visage_outbox_bytes 3000',
      'visage_outbox_max_entries 10',
      'visage_outbox_max_bytes 5000',
      'visage_outbox_oldest_age_seconds 1.5',
      'visage_outbox_set_aside_entries 1',
    ]);
    report = { ...report, entries: 0, oldestAgeMs: 0 };
    expect(await values()).toEqual(
      expect.arrayContaining(['visage_outbox_entries 0', 'visage_outbox_oldest_age_seconds 0']),
    );
  });

  it('show exactly one state of the breaker', async () => {
    const metrics = new Metrics();
    const circuit = { state: 'closed' as StorageCircuit['state'] };
    const others = { ask: () => Promise.resolve(), vanished: 0, count: 0, whileAwayCount: 0 } as never;
    const settings = Object.assign(new Settings(), { storageBackend: 's3' });
    new StorageMetrics(metrics, others, others, others, others, circuit as StorageCircuit, settings);
    for (const state of ['closed', 'open', 'half_open', 'closed'] as const) {
      circuit.state = state;
      const found = await scrape(metrics);
      expect(total(found, 'visage_breaker_state', { state })).toBe(1);
      expect(total(found, 'visage_breaker_state')).toBe(1);
    }
  });

  it('follow the counters of a cache', async () => {
    const metrics = new Metrics();
    const cache = { hits: 1, misses: 2, entries: 3, bytes: 4 };
    const part = { usage: () => cache } as never;
    new CacheMetrics(metrics, part, part, part, part, part);
    const hits = async () =>
      total(await scrape(metrics), 'visage_cache_lookups_total', { cache: 'renditions', result: 'hit' });
    expect(await hits()).toBe(1);
    expect(await hits()).toBe(1);
    cache.hits = 7;
    expect(await hits()).toBe(7);
  });
});
