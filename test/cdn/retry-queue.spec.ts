import { setImmediate as settled } from 'node:timers/promises';
import { type Clock, RetryQueue, type RetryRules } from '../../src/cdn/retry-queue.js';

/** A clock that a test moves. */
class MovedClock implements Clock {
  private ms = 0;
  private readonly timers = new Set<{ at: number; then: () => void }>();

  now(): number {
    return this.ms;
  }

  after(ms: number, then: () => void): () => void {
    const timer = { at: this.ms + ms, then };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Moves it from timer to timer, and lets what they began go on. */
  async moveTo(ms: number): Promise<void> {
    await settled();
    for (;;) {
      const [next] = [...this.timers].sort((a, b) => a.at - b.at);
      if (!next || next.at > ms) break;
      this.ms = Math.max(this.ms, next.at);
      this.timers.delete(next);
      next.then();
      await settled();
    }
    this.ms = ms;
  }
}

const THREE_ATTEMPTS: RetryRules = { waitAfter: (failures) => (failures < 3 ? failures * 1000 : undefined) };

/** A queue that notes what it does and when. */
function openQueue({ rules = THREE_ATTEMPTS, keys = 10, concurrency = 10 } = {}) {
  const clock = new MovedClock();
  const notes: string[] = [];
  const note = (text: string) => notes.push(`${clock.now()}: ${text}`);
  /** What becomes of an attempt. */
  const outcome = { of: (): Promise<void> => Promise.resolve() };
  const queue = new RetryQueue(
    { keys, concurrency },
    rules,
    {
      work: (items) => {
        note(items.join());
        return outcome.of();
      },
      failed: ({ message }, more) => note(`${message}${more ? ', tried again' : ''}`),
      gaveUp: (key, failures) => note(`gave up ${key} after ${failures}`),
    },
    clock,
  );
  const takesUntil = (ms: number) => () =>
    new Promise<void>((resolve) => {
      clock.after(ms - clock.now(), resolve);
    });
  return { queue, clock, notes, outcome, takesUntil };
}

const fail = () => Promise.reject(new Error('refused'));

describe('a queue of retries', () => {
  it('does an entry at once, and again after each instant', async () => {
    const { queue, clock, notes } = openQueue();
    expect(queue.offer({ key: 'a', items: ['x', 'y'], repeats: [100, 500] })).toBe(true);
    await clock.moveTo(1000);
    expect(notes).toEqual(['0: x,y', '100: x,y', '500: x,y']);
    expect(queue.size).toBe(0);
  });

  it('does the waiting entries of a key together, and as many keys at a time as it may', async () => {
    const { queue, clock, notes, outcome, takesUntil } = openQueue({ concurrency: 1 });
    outcome.of = takesUntil(50);
    queue.add({ key: 'a', items: ['a'], repeats: [0] });
    queue.add({ key: 'b', items: ['x'], repeats: [0] });
    queue.add({ key: 'b', items: ['y'], repeats: [60] });
    await clock.moveTo(20);
    outcome.of = () => Promise.resolve();
    await clock.moveTo(1000);
    expect(notes).toEqual(['0: a', '50: x,y', '60: x,y']);
  });

  it('tries again as often as its rules say, and has all attempts for a newer entry', async () => {
    const { queue, clock, notes, outcome } = openQueue();
    outcome.of = fail;
    const told: boolean[] = [];
    queue.add({ key: 'a', items: ['x'], repeats: [0] }, (done) => told.push(done));
    await clock.moveTo(2000);
    queue.add({ key: 'a', items: ['y'], repeats: [2100] }, (done) => told.push(done));
    await clock.moveTo(10_000);
    expect(notes.filter((line) => !line.includes('refused'))).toEqual([
      '0: x',
      '1000: x',
      '2000: x,y',
      '3000: x,y',
      '5000: x,y',
      '5000: gave up a after 3',
    ]);
    expect(notes.filter((line) => line.endsWith('refused'))).toEqual(['5000: refused']);
    expect(told).toEqual([false, false]);
  });

  it('refuses further keys when too many wait, unless it has to take them', async () => {
    const { queue, clock } = openQueue({ keys: 2 });
    const entry = (key: string) => ({ key, items: [key], repeats: [100] });
    expect(['a', 'b', 'c', 'a'].map((key) => queue.offer(entry(key)))).toEqual([true, true, false, true]);
    queue.add(entry('c'));
    expect(queue.size).toBe(3);
    await clock.moveTo(101);
    expect(queue.offer(entry('d'))).toBe(true);
  });

  it('finishes by other rules: what waits is due, and what begins too late is given up', async () => {
    const { queue, clock, notes, outcome, takesUntil } = openQueue({ concurrency: 1 });
    queue.add({ key: 'later', items: ['later'], repeats: [60_000] });
    await clock.moveTo(10);
    outcome.of = fail;
    queue.add({ key: 'failed', items: ['failed'], repeats: [0] });
    await clock.moveTo(20);
    outcome.of = takesUntil(5000);
    const finished = queue.finish({ waitAfter: () => undefined, dueBy: 1000, giveUpAt: 2000 });
    await clock.moveTo(10_000);
    await finished;
    expect(notes).toEqual([
      '0: later',
      '10: failed',
      '10: refused, tried again',
      '20: failed',
      '5000: gave up later after 0',
    ]);
  });

  it('is finished at once if nothing is left', async () => {
    const { queue } = openQueue();
    await queue.finish(THREE_ATTEMPTS);
    expect(queue.size).toBe(0);
  });
});
