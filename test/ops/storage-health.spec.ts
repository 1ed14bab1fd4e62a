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

/** Answers checks only from {@link answer} on. */
class StalledStore extends CountingStore {
  answer!: () => void;
  private answered = this.stall();

  stall(): Promise<void> {
    return (this.answered = new Promise((resolve) => (this.answer = resolve)));
  }

  override async check() {
    const found = await super.check();
    await this.answered;
    return found;
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

  it('is unreachable for those who cannot wait while a check is overdue, then what the check finds', async () => {
    const store = new StalledStore();
    const settings = Object.assign(new Settings(), { healthTimeoutMs: 1, healthMaxAgeMs: 3_600_000 });
    const health = new StorageHealth(store, settings);
    const complete = health.ask();
    const overdue = { reachable: false, overdue: true, conditionalWrites: 'unknown' };
    for (let i = 0; i < 2; i++) expect(await health.askInTime()).toMatchObject(overdue);
    expect([store.checks, health.last]).toEqual([1, undefined]);

    store.answer();
    const found = { backend: 'memory', reachable: true, conditionalWrites: 'honoured' };
    expect(await complete).toEqual(found);
    expect(await health.askInTime()).toEqual(found);
    expect(store.checks).toBe(1);
  });

  it('keeps what it knew when a later check is overdue', async () => {
    const store = new StalledStore();
    const settings = Object.assign(new Settings(), { healthTimeoutMs: 1, healthMaxAgeMs: 0 });
    const health = new StorageHealth(store, settings);
    store.answer();
    await health.ask();
    void store.stall();
    expect(await health.askInTime()).toEqual({
      backend: 'memory',
      reachable: false,
      overdue: true,
      conditionalWrites: 'honoured',
    });
    expect(health.last).toMatchObject({ reachable: true });
    store.answer();
  });
});
