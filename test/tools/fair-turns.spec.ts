import { setImmediate as settled } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { FairTurns, type FairTurnsOptions, type TaskOptions } from '../../src/tools/fair-turns.js';

/** Tasks that run until the test ends them. */
class Tasks {
  /** The names of tasks in the order they started. */
  readonly started: string[] = [];
  readonly refused: string[] = [];
  private readonly ends = new Map<string, () => void>();

  constructor(readonly turns: FairTurns) {}

  /** @param names of tasks, each in the group of its first letter */
  async come(names: string, options: TaskOptions = {}): Promise<void> {
    for (const name of names.split(' ')) {
      const task = () =>
        new Promise<void>((end) => {
          this.started.push(name);
          this.ends.set(name, end);
        });
      this.turns.run(task, { group: name.charAt(0), ...options }).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'busy' });
        this.refused.push(name);
      });
    }
    await settled();
  }

  async end(...names: string[]): Promise<void> {
    for (const name of names) {
      this.ends.get(name)?.();
      await settled();
    }
  }

  /** Ends all tasks in the order they started. @returns that order */
  async endAll(): Promise<string> {
    for (const name of this.started) await this.end(name);
    return this.started.join(' ');
  }
}

const tasks = (turns: number, queue = 256, more: Partial<FairTurnsOptions> = {}) =>
  new Tasks(new FairTurns({ turns, queue, ...more }));

describe('turns', () => {
  it('go round the groups, a new one first', async () => {
    const { come, end, endAll } = bound(tasks(1));
    await come('a1 a2 a3 a4 b1 b2');
    await end('a1');
    await come('c1');
    expect(await endAll()).toBe('a1 b1 a2 c1 b2 a3 a4');
  });

  it('go to the group that holds the fewest', async () => {
    const all = tasks(3);
    const { come, end, endAll } = bound(all);
    await come('a1 a2 a3 a4 a5 b1 b2 b3');
    await end('a1', 'a2');
    expect(all.started).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
    await end('b1');
    expect(await endAll()).toBe('a1 a2 a3 b1 b2 a4 b3 a5');
  });

  it('never starve a group, however many others come', async () => {
    const all = tasks(1);
    const { come, end } = bound(all);
    await come('a1 a2');
    for (const [ending, coming] of ['a1 b1', 'b1 c1', 'a2 d1'].map((pair) => pair.split(' '))) {
      await come(coming ?? '');
      await end(ending ?? '');
    }
    expect(all.started).toEqual(['a1', 'b1', 'a2', 'c1']);
  });

  it('are counted, and returned by tasks that fail', async () => {
    const { turns } = tasks(1);
    const failing = turns.run(() => Promise.reject(new Error('broken')));
    const next = turns.run(() => Promise.resolve('made'));
    expect([turns.active, turns.waiting]).toEqual([1, 1]);
    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('made');
    expect([turns.active, turns.waiting]).toEqual([0, 0]);
  });
});

describe('costly tasks', () => {
  it.each([2, 3])('leave one of %i turns to others, whatever their groups', async (count) => {
    const all = tasks(count);
    const { come, end, endAll } = bound(all);
    await come('a1 b1 c1 d1', { costly: true });
    expect(all.started).toHaveLength(count - 1);
    await come('e1');
    expect(all.started.at(-1)).toBe('e1');
    await come('a2 e2');
    expect(all.started).toHaveLength(count);
    await end('e1', 'e2');
    expect(all.started.slice(-2)).toEqual(['e2', 'a2']);
    const order = await endAll();
    expect(order.split(' ').sort()).toEqual(['a1', 'a2', 'b1', 'c1', 'd1', 'e1', 'e2']);
  });

  it('take the only turn in the order they came', async () => {
    const { come, endAll } = bound(tasks(1));
    await come('a1 a2 a3', { costly: true });
    await come('b1 a4');
    expect(await endAll()).toBe('a1 b1 a2 a3 a4');
  });
});

describe('a full queue', () => {
  it('refuses the last task of the group that has the most tasks waiting', async () => {
    const all = tasks(1, 4);
    const { come, endAll } = bound(all);
    await come('a1 a2 a3 a4 a5 a6');
    expect(all.refused).toEqual(['a6']);
    await come('b1');
    expect(all.refused).toEqual(['a6', 'a5']);
    await come('b2 b3 c1');
    expect(all.refused).toEqual(['a6', 'a5', 'a4', 'b3', 'a3']);
    expect([all.turns.active, all.turns.waiting]).toEqual([1, 4]);
    expect(await endAll()).toBe('a1 b1 c1 a2 b2');
  });

  it('holds only a few costly tasks of one group, because they run even if nobody waits for their result any more', async () => {
    const all = tasks(2);
    await all.come('a1 a2 a3 a4 a5 a6 a7 a8 a9 a10', { costly: true });
    expect([all.started, all.refused]).toEqual([['a1'], ['a10']]);
    await all.come('a11 b1');
    await all.come('b2', { costly: true });
    expect(all.refused).toEqual(['a10']);
  });

  it('of one group refuses its newcomers, and nobody else', async () => {
    const all = tasks(1, undefined, { queueOfGroup: 2 });
    const { come, end, endAll } = bound(all);
    await come('a1 a2 a3 a4 b1 b2 b3');
    expect(all.refused).toEqual(['a4', 'b3']);
    await end('a1');
    await come('a5 b3');
    expect(all.refused).toEqual(['a4', 'b3', 'a5']);
    expect(await endAll()).toBe('a1 b1 a2 b2 a3 b3');
  });

  it('of length 0 refuses every task that cannot start at once', async () => {
    const all = tasks(1, 0);
    await all.come('a1 b1');
    expect([all.started, all.refused]).toEqual([['a1'], ['b1']]);
    await all.end('a1');
    await all.come('b2');
    expect(all.started).toEqual(['a1', 'b2']);
  });
});

it('a task that has waited for too long is refused, and makes room', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  try {
    const all = tasks(1, 2, { maxWaitMs: 1000 });
    await all.come('a1 a2');
    jest.advanceTimersByTime(600);
    await all.come('b1');
    jest.advanceTimersByTime(400);
    await all.come('c1');
    expect(all.refused).toEqual(['a2']);
    await all.end('a1');
    jest.advanceTimersByTime(3000);
    await settled();
    expect([all.started, all.refused]).toEqual([
      ['a1', 'b1'],
      ['a2', 'c1'],
    ]);
    await all.end('b1');
    expect([all.turns.active, all.turns.waiting, all.turns.sharing]).toEqual([0, 0, 0]);
  } finally {
    jest.useRealTimers();
  }
});

describe('tasks that are of use only together', () => {
  const together = (turns: FairTurns, names: string, started: string[]) => {
    const ends = new Map<string, { end: () => void; fail: () => void }>();
    const result = turns.all(
      names.split(' ').map((name) => () => {
        started.push(name);
        return new Promise<string>((resolve, reject) => {
          ends.set(name, {
            end: () => {
              resolve(`${name} done`);
            },
            fail: () => {
              reject(new Error(name));
            },
          });
        });
      }),
      { group: names.charAt(0) },
    );
    return { result, ends };
  };

  it('share the turns of their group, and give their results in their own order', async () => {
    const all = tasks(2);
    const { ends, result } = together(all.turns, 'a1 a2 a3', all.started);
    await all.come('b1');
    for (const name of ['a2', 'a1', 'a3']) {
      ends.get(name)?.end();
      await settled();
    }
    expect(await result).toEqual(['a1 done', 'a2 done', 'a3 done']);
    expect(all.started).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  it('leave the queue once one of them fails, and leave the others of their group alone', async () => {
    const all = tasks(1);
    const { ends, result } = together(all.turns, 'a1 a2 a3', all.started);
    await all.come('a4 b1');
    ends.get('a1')?.fail();
    await expect(result).rejects.toThrow('a1');
    await settled();
    expect(await all.endAll()).toBe('a1 b1 a4');
    expect([all.turns.active, all.turns.waiting]).toEqual([0, 0]);
  });
});

it('groups without a task are forgotten, so that refused ones do not slow down all turns', async () => {
  const all = tasks(1, 1);
  await all.come('a1 b1 c1 d1 e1');
  await all.come('f1 f2 f3 f4 f5 f6 f7 f8 f9', { costly: true });
  expect([all.turns.sharing, all.refused.length]).toEqual([2, 12]);
  await all.endAll();
  expect(all.turns.sharing).toBe(0);
});

function bound(all: Tasks) {
  return {
    come: all.come.bind(all),
    end: all.end.bind(all),
    endAll: all.endAll.bind(all),
  };
}
