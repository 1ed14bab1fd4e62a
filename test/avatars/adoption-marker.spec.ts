import { jest } from '@jest/globals';
import { AdoptionMarker } from '../../src/avatars/adoption-marker.js';
import { ADOPTION_COMPLETE } from '../../src/model/keys.js';
import { MemoryStore } from '../../src/storage/memory.store.js';
import { StorageRefused } from '../../src/storage/object-store.js';

describe('the marker of the adoption', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const used = async (key: string) => {
    const store = new MemoryStore();
    await store.store(key, Buffer.from('bytes'));
    return store;
  };

  it('is set in an empty store by the first who looks, and by many at once', async () => {
    const store = new MemoryStore();
    const markers = Array.from({ length: 3 }, () => new AdoptionMarker(store));
    expect(await Promise.all(markers.map((marker) => marker.complete()))).toEqual([true, true, true]);
    expect(await store.exists(ADOPTION_COMPLETE)).toBe(true);
  });

  it.each(['avatars/a/01900000-0000-7000-8000-000000000001.png', 'manifests/a.json'])(
    'is not set in a store that has %s, nor once that is gone',
    async (key) => {
      const store = await used(key);
      const marker = new AdoptionMarker(store);
      expect(await marker.complete()).toBe(false);
      await store.delete(key);
      jest.advanceTimersByTime(60_000);
      expect(await marker.complete()).toBe(false);
      expect(await store.exists(ADOPTION_COMPLETE)).toBe(false);
    },
  );

  it('is noticed within a minute if another process sets it, and then for good', async () => {
    const store = await used('manifests/a.json');
    const marker = new AdoptionMarker(store);
    expect(await marker.complete()).toBe(false);
    await new AdoptionMarker(store).set();
    jest.advanceTimersByTime(59_999);
    expect(await marker.complete()).toBe(false);
    jest.advanceTimersByTime(1);
    expect(await marker.complete()).toBe(true);
    await store.delete(ADOPTION_COMPLETE);
    jest.advanceTimersByTime(60_000);
    expect(await marker.complete()).toBe(true);
  });

  it('counts as missing while the store is away, and an empty store gets it afterwards', async () => {
    const store = new MemoryStore();
    const away = jest.spyOn(store, 'get').mockRejectedValue(new StorageRefused(new Error('AccessDenied')));
    const marker = new AdoptionMarker(store);
    expect(await marker.complete()).toBe(false);
    expect(await marker.complete()).toBe(false);
    expect(away).toHaveBeenCalledTimes(1);
    away.mockRestore();
    jest.advanceTimersByTime(60_000);
    expect(await marker.complete()).toBe(true);
  });
});
