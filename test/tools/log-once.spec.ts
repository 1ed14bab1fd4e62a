import { jest } from '@jest/globals';
import { LogOnce } from '../../src/tools/log-once.js';

describe('a log that says a thing once', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const start = (maxKinds = 10) => {
    const once = new LogOnce(1000, maxKinds);
    const summaries: string[] = [];
    const tell = (kind: string) => once.isFirst(kind, (leftOut) => summaries.push(`${kind} ${leftOut}`));
    return { once, summaries, tell };
  };

  it('has an event once in each window, and then how many were left out', () => {
    const { tell, summaries } = start();
    expect([tell('a'), tell('a'), tell('b'), tell('a')]).toEqual([true, false, true, false]);
    jest.advanceTimersByTime(999);
    expect(summaries).toEqual([]);
    jest.advanceTimersByTime(1);
    // `b` happened once: there is nothing to sum up.
    expect(summaries).toEqual(['a 2']);
    expect([tell('a'), tell('a')]).toEqual([true, false]);
    jest.advanceTimersByTime(1000);
    expect(summaries).toEqual(['a 2', 'a 1']);
  });

  it('remembers the latest kinds only', () => {
    const { tell, summaries } = start(2);
    expect(['a', 'a', 'b', 'c', 'b', 'a'].map(tell)).toEqual([true, false, true, true, false, true]);
    expect(summaries).toEqual(['a 1', 'b 1']);
  });

  it('can leave out repetitions for good', () => {
    const once = new LogOnce(Infinity, 2);
    const isFirst = (kind: string) => once.isFirst(kind);
    expect(['a', 'b', 'a'].map(isFirst)).toEqual([true, true, false]);
    jest.advanceTimersByTime(2 ** 40);
    // `c` takes the place of `a`.
    expect(['b', 'c', 'b', 'a'].map(isFirst)).toEqual([false, true, false, true]);
  });

  it('has the summaries at once if they are asked for', () => {
    const { once, tell, summaries } = start();
    ['a', 'a', 'b', 'b', 'b'].map(tell);
    once.flush();
    expect(summaries).toEqual(['a 1', 'b 2']);
    jest.advanceTimersByTime(1000);
    expect(summaries).toHaveLength(2);
    expect(tell('a')).toBe(true);
  });
});
