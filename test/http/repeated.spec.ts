import { jest } from '@jest/globals';
import { Repeated } from '../../src/http/repeated.js';

describe('what is repeated', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const start = (maxKinds = 10) => {
    const repeated = new Repeated(1000, maxKinds);
    const summaries: string[] = [];
    const tell = (kind: string) => repeated.isFirst(kind, (leftOut) => summaries.push(`${kind} ${leftOut}`));
    return { repeated, summaries, tell };
  };

  it('is told once in each window, and then how often it was left out', () => {
    const { tell, summaries } = start();
    expect([tell('a'), tell('a'), tell('b'), tell('a')]).toEqual([true, false, true, false]);
    jest.advanceTimersByTime(999);
    expect(summaries).toEqual([]);
    jest.advanceTimersByTime(1);
    // Of the kind that was told once there is no more to say.
    expect(summaries).toEqual(['a 2']);
    expect([tell('a'), tell('a')]).toEqual([true, false]);
    jest.advanceTimersByTime(1000);
    expect(summaries).toEqual(['a 2', 'a 1']);
  });

  it('is remembered of so many kinds, the latest', () => {
    const { tell, summaries } = start(2);
    expect(['a', 'a', 'b', 'c', 'b', 'a'].map(tell)).toEqual([true, false, true, true, false, true]);
    expect(summaries).toEqual(['a 1', 'b 1']);
  });

  it('is summarized at once when asked for', () => {
    const { repeated, tell, summaries } = start();
    ['a', 'a', 'b', 'b', 'b'].map(tell);
    repeated.flush();
    expect(summaries).toEqual(['a 1', 'b 2']);
    jest.advanceTimersByTime(1000);
    expect(summaries).toHaveLength(2);
    expect(tell('a')).toBe(true);
  });
});
