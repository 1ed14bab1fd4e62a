import { jest } from '@jest/globals';
import { type Known, ReadMemory, type Stored } from '../../src/avatars/read-memory.js';
import { isFresh } from '../../src/avatars/read-token.js';

const MAX_AGE_MS = 1000;
const MAX_STALE_MS = 60_000;

/** An object whose etag is its value. */
const object = (value: string): Stored<string> => ({ value, etag: value });

describe('the memory of reads', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const open = (maxAgeMs = MAX_AGE_MS, maxBytes = 100) =>
    new ReadMemory<string>(
      {
        maxBytes,
        bytesOf: () => 1,
        tokenOf: (_, id) => ({ id, maxAgeMs }),
      },
      { cacheMaxAgeMs: maxAgeMs, cacheMaxStaleMs: MAX_STALE_MS },
    );
  const reads = (value: string) => jest.fn(() => Promise.resolve(object(value)));
  /** A read that the test ends. */
  const slowRead = (memory: ReadMemory<string>) => {
    let end!: (found: Stored<string>) => void;
    const result = memory.read('a', () => new Promise((resolve) => (end = resolve)));
    return { result, end };
  };

  it('asks again once what it knows is old, with the etag that it knows, and its answers stay valid if nothing changed', async () => {
    const memory = open();
    const first = await memory.freshOrRead('a', reads('one'));
    const unused = reads('two');
    expect(await memory.freshOrRead('a', unused)).toBe(first);
    expect(unused).not.toHaveBeenCalled();
    jest.advanceTimersByTime(MAX_AGE_MS);
    expect(isFresh(first.token)).toBe(false);
    const asked = jest.fn((known: Known<string> | undefined) => Promise.resolve(object(known?.etag ?? '')));
    expect(await memory.freshOrRead('a', asked)).toBe(first);
    expect(isFresh(first.token)).toBe(true);
    jest.advanceTimersByTime(MAX_AGE_MS);
    expect(await memory.freshOrRead('a', reads('two'))).toMatchObject(object('two'));
    expect(first.token.gone).toBe(true);
    expect(memory.usage()).toMatchObject({ hits: 1, misses: 3, entries: 1 });
  });

  it('gives one read to all who wait for it, but to nobody who comes after a change', async () => {
    const memory = open();
    let end!: (found: Stored<string>) => void;
    const load = jest.fn(() => new Promise<Stored<string>>((resolve) => (end = resolve)));
    const both = [memory.freshOrRead('a', load), memory.freshOrRead('a', load)];
    memory.leave('a');
    const after = memory.freshOrRead('a', reads('new'));
    end(object('old'));
    for (const one of both) await one;
    expect([load.mock.calls.length, (await after).value]).toEqual([1, 'new']);
  });

  it.each(['replaced', 'written'])(
    'knows better than a read that a write overtook and that found what was %s',
    async (found) => {
      const memory = open();
      await memory.read('a', reads('replaced'));
      const begunAt = performance.now();
      jest.advanceTimersByTime(1);
      const { result, end } = slowRead(memory);
      jest.advanceTimersByTime(1);
      memory.written('a', object('written'), begunAt, 'replaced');
      end(object(found));
      expect((await result).value).toBe('written');
    },
  );

  it('knows better than a read that began before the write, whatever that found', async () => {
    const memory = open();
    const { result, end } = slowRead(memory);
    jest.advanceTimersByTime(1);
    memory.written('a', object('written'), performance.now(), 'replaced');
    end(object('long ago'));
    expect((await result).value).toBe('written');
  });

  it('believes a read that others have built on a write, and shows it once', async () => {
    const memory = open();
    await memory.read('a', reads('replaced'));
    const begunAt = performance.now();
    jest.advanceTimersByTime(1);
    const { result, end } = slowRead(memory);
    jest.advanceTimersByTime(1);
    memory.written('a', object('written'), begunAt, 'replaced');
    end(object('newer'));
    const read = await result;
    expect([read.value, isFresh(read.token)]).toEqual(['newer', false]);
    expect(memory.get('a')?.value).toBe('written');
  });

  it('keeps nothing of a read during which what it knew was pushed out', async () => {
    const memory = open(MAX_AGE_MS, 1);
    await memory.read('a', reads('one'));
    const { result, end } = slowRead(memory);
    await memory.read('b', reads('other'));
    end(object('two'));
    expect((await result).value).toBe('two');
    expect(memory.get('a')).toBeUndefined();
  });

  it('shows what it knows for a while although the store is away', async () => {
    const memory = open();
    await memory.read('a', reads('one'));
    jest.advanceTimersByTime(MAX_STALE_MS - 1);
    expect(memory.stale('a')?.value).toBe('one');
    jest.advanceTimersByTime(1);
    expect([memory.stale('a'), memory.get('a')?.value]).toEqual([undefined, 'one']);
  });
});
