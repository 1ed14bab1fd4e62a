import { Logger } from '@nestjs/common';
import { Settings } from '../../src/config/settings.js';
import { StorageHealth } from '../../src/ops/storage-health.js';
import { MemoryStore } from '../../src/storage/memory.store.js';

class CountingStore extends MemoryStore {
  checks = 0;

  override check() {
    this.checks++;
    return super.check();
  }
}

Logger.overrideLogger(false);

describe('the health of the storage', () => {
  it.each([
    [0, 'each time', 3],
    [3_600_000, 'once', 1],
  ])('with HEALTH_MAX_AGE_MS=%d is asked for %s', async (maxAgeMs, _, checks) => {
    const store = new CountingStore();
    const health = new StorageHealth(store, Object.assign(new Settings(), { healthMaxAgeMs: maxAgeMs }));
    for (let i = 0; i < 3; i++) expect(await health.ask()).toMatchObject({ reachable: true });
    expect(store.checks).toBe(checks);
  });
});
