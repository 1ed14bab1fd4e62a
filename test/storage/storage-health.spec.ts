import { Logger } from '@nestjs/common';
import { Settings } from '../../src/config/settings.js';
import { PROBES } from '../../src/model/keys.js';
import { StorageHealth } from '../../src/storage/health/storage-health.js';
import { UnfitStorage } from '../../src/storage/health/storage-report.js';
import { DiscardedReads } from '../../src/storage/discarded-reads.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { StorageUnavailable, type StoreHealth } from '../../src/storage/object-store.js';
import { RacingStore } from './trials/stores.js';

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

/** Takes no writes while it is away, but answers checks. */
class FailingStore extends CountingStore {
  away = false;
  writes = 0;

  override store(...write: Parameters<MemoryStore['store']>) {
    this.writes++;
    if (this.away) return Promise.reject(new StorageUnavailable(new Error('it went away')));
    return super.store(...write);
  }
}

function healthOf(store: MemoryStore, settings: Partial<Settings>, discarded = new DiscardedReads()) {
  return new StorageHealth(store, Object.assign(new Settings(), settings), discarded);
}

Logger.overrideLogger(false);

describe('the health of the storage', () => {
  it.each([
    [0, 'each time', 3],
    [3_600_000, 'once', 1],
  ])('with a report of at most %d ms is asked for %s', async (maxAgeMs, _, checks) => {
    const store = new CountingStore();
    const health = healthOf(store, { healthMaxAgeMs: maxAgeMs });
    for (let i = 0; i < 3; i++) expect(await health.ask()).toMatchObject({ reachable: true });
    expect(store.checks).toBe(checks);
  });

  it('is unreachable for those who cannot wait while a check is overdue, then what the check finds', async () => {
    const store = new StalledStore();
    const health = healthOf(store, { healthTimeoutMs: 1, healthMaxAgeMs: 3_600_000 });
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
    const health = healthOf(store, { healthTimeoutMs: 1, healthMaxAgeMs: 0 });
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

describe('the trials of the storage', () => {
  const required = { storageRequireConditionalWrites: true, healthMaxAgeMs: 0 };

  it('run once, with the first check', async () => {
    const store = new FailingStore();
    const health = healthOf(store, { healthMaxAgeMs: 0 });
    await health.ask();
    const { writes } = store;
    expect(writes).toBeGreaterThan(0);
    await health.ask();
    expect([store.checks, store.writes]).toEqual([2, writes]);
    const left: string[] = [];
    for await (const { key } of store.list('')) left.push(key);
    expect(left).toEqual([]);
  });

  it('tell a storage whose conditional writes do not hold in races', async () => {
    const health = healthOf(new RacingStore(), { healthMaxAgeMs: 0 });
    for (let i = 0; i < 2; i++)
      expect(await health.ask()).toEqual({
        backend: 'memory',
        reachable: true,
        conditionalWrites: 'unreliable',
      });
  });

  it('tell a storage that mixes reads up', async () => {
    const discarded = new DiscardedReads();
    class MixingStore extends MemoryStore {
      override get(...read: Parameters<MemoryStore['get']>) {
        discarded.add(read[0]);
        return super.get(...read);
      }
    }
    expect(await healthOf(new MixingStore(), {}, discarded).ask()).toEqual({
      backend: 'memory',
      reachable: true,
      conditionalWrites: 'honoured',
      mixedReads: true,
    });
  });

  it('are no finding and are repeated if the storage goes away during them', async () => {
    const store = new FailingStore();
    const health = healthOf(store, { healthMaxAgeMs: 0 });
    store.away = true;
    expect(await health.ask()).toEqual({ backend: 'memory', reachable: true, conditionalWrites: 'unknown' });
    store.away = false;
    expect(await health.ask()).toMatchObject({ conditionalWrites: 'honoured' });
  });

  it('are not waited for by those who ask in time', async () => {
    class SlowToWrite extends MemoryStore {
      override store(...write: Parameters<MemoryStore['store']>) {
        return write[0].startsWith(PROBES) ? new Promise<never>(() => undefined) : super.store(...write);
      }
    }
    expect(await healthOf(new SlowToWrite(), {}).askInTime()).toMatchObject({ reachable: true });
  });

  it('end the start of a service that requires what the storage does not do', async () => {
    const health = healthOf(new RacingStore(), required);
    const error: unknown = await health.onApplicationBootstrap().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnfitStorage);
    expect(String(error)).toMatch(
      /STORAGE_REQUIRE_CONDITIONAL_WRITES is set, and .* not in races: use .* ONE/,
    );
    await healthOf(new RacingStore(), { healthMaxAgeMs: 0 }).onApplicationBootstrap();
  });

  it('keep a service that requires conditional writes from becoming ready until they are known to hold', async () => {
    const store = new FailingStore();
    const health = healthOf(store, required);
    store.away = true;
    await health.onApplicationBootstrap();
    expect(health.isFit(await health.ask())).toBe(false);
    store.away = false;
    expect(health.isFit(await health.ask())).toBe(true);
  });

  it('are not forgotten when the storage is full, and a full one that was never tried stays in service', async () => {
    class FullStore extends MemoryStore {
      full = false;
      override async check(): Promise<StoreHealth> {
        return { ...(await super.check()), ...(this.full && { full: true as const }) };
      }
    }
    const [tried, never] = [new FullStore(), new FullStore()];
    const health = healthOf(tried, required);
    await health.onApplicationBootstrap();
    tried.full = never.full = true;
    const late = healthOf(never, required);
    await late.onApplicationBootstrap();
    for (const each of [health, late]) {
      const report = await each.ask();
      expect(report).toMatchObject({ full: true, conditionalWrites: 'honoured' });
      expect(each.isFit(report)).toBe(true);
    }
  });

  it('that hang keep neither the start nor readiness waiting', async () => {
    class HangingStore extends MemoryStore {
      override get(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const health = healthOf(new HangingStore(), { healthMaxAgeMs: 0, healthTimeoutMs: 1 });
    await health.onApplicationBootstrap();
    for (let i = 0; i < 3; i++)
      expect(await health.askInTime()).toEqual({
        backend: 'memory',
        reachable: true,
        conditionalWrites: 'unknown',
      });
  });
});
