import { Registry } from 'prom-client';
import { type OutboxReading, registerBreaker, registerCaches, registerOutbox } from '../../src/ops/gauges.js';
import { readMetrics, total } from '../support/scrape.js';

const scrape = async (registry: Registry) => readMetrics(await registry.metrics());

describe('metrics that are read at each scrape', () => {
  it('show the outbox as it is then', async () => {
    const registry = new Registry();
    let outbox: OutboxReading = {
      entries: 2,
      bytes: 3000,
      maxEntries: 10,
      maxBytes: 5000,
      oldestAgeMs: 1500,
      setAside: 1,
    };
    registerOutbox(registry, () => outbox);
    const values = async () => {
      const metrics = await scrape(registry);
      return [...metrics.keys()].map((name) => `${name} ${total(metrics, name)}`);
    };
    expect(await values()).toEqual([
      'visage_outbox_entries 2',
      'visage_outbox_bytes 3000',
      'visage_outbox_max_entries 10',
      'visage_outbox_max_bytes 5000',
      'visage_outbox_oldest_age_seconds 1.5',
      'visage_outbox_set_aside_entries 1',
    ]);
    outbox = { ...outbox, entries: 0, oldestAgeMs: 0 };
    expect(await values()).toEqual(
      expect.arrayContaining(['visage_outbox_entries 0', 'visage_outbox_oldest_age_seconds 0']),
    );
  });

  it('show exactly one state of the breaker', async () => {
    const registry = new Registry();
    let state: 'closed' | 'open' | 'half_open' = 'closed';
    registerBreaker(registry, () => state);
    for (state of ['closed', 'open', 'half_open', 'closed'] as const) {
      const metrics = await scrape(registry);
      expect(total(metrics, 'visage_breaker_state', { state })).toBe(1);
      expect(total(metrics, 'visage_breaker_state')).toBe(1);
    }
  });

  it('follow the counters of a cache', async () => {
    const registry = new Registry();
    const cache = { hits: 1, misses: 2, entries: 3, bytes: 4 };
    registerCaches(registry, () => ({ pictures: cache }));
    const hits = async () =>
      total(await scrape(registry), 'visage_cache_lookups_total', { cache: 'pictures', result: 'hit' });
    expect(await hits()).toBe(1);
    expect(await hits()).toBe(1);
    cache.hits = 7;
    expect(await hits()).toBe(7);
  });
});
