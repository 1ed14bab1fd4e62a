import { AdoptionLease } from '../../src/avatars/adoption-lease.js';
import { ADOPTION_RUNNING } from '../../src/model/keys.js';
import { MemoryStore } from '../../src/storage/memory.store.js';

const MINUTE_MS = 60_000;

describe('the lease of the adoption', () => {
  const setUp = () => {
    const store = new MemoryStore();
    const clock = { ms: 0 };
    const [ours, theirs] = [1, 2].map(() => new AdoptionLease(store, () => clock.ms)) as [
      AdoptionLease,
      AdoptionLease,
    ];
    return { store, clock, ours, theirs };
  };

  it('has one holder, until that gives it up', async () => {
    const { store, ours, theirs } = setUp();
    expect((await Promise.all([ours.acquire(), theirs.acquire()])).sort()).toEqual([false, true]);
    await ours.release();
    await theirs.release();
    expect(await store.exists(ADOPTION_RUNNING)).toBe(false);
    expect(await theirs.acquire()).toBe(true);
    expect(await ours.acquire()).toBe(false);
  });

  it('stays with a holder that renews it', async () => {
    const { clock, ours, theirs } = setUp();
    expect(await ours.acquire()).toBe(true);
    for (let minute = 0; minute < 20; minute++) {
      expect(await theirs.acquire()).toBe(false);
      clock.ms += MINUTE_MS;
      expect(await ours.renew()).toBe(true);
    }
  });

  it('is taken over from a holder that was not seen to renew it for five minutes, and never given back by that', async () => {
    const { store, clock, ours, theirs } = setUp();
    expect(await ours.acquire()).toBe(true);
    clock.ms += 60 * MINUTE_MS;
    expect(await theirs.acquire()).toBe(false);
    clock.ms += 5 * MINUTE_MS - 1;
    expect(await theirs.acquire()).toBe(false);
    clock.ms += 1;
    expect(await theirs.acquire()).toBe(true);
    expect(await ours.renew()).toBe(false);
    await ours.release();
    expect(await store.exists(ADOPTION_RUNNING)).toBe(true);
    expect(await theirs.renew()).toBe(true);
  });
});
