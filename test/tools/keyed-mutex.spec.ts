import { KeyedMutex, type TurnLimit } from '../../src/tools/keyed-mutex.js';

const HOUR_MS = 3_600_000;

describe('tasks of one key', () => {
  let mutex: KeyedMutex;
  let begun: string[];
  let letGo: () => void;
  let first: Promise<unknown>;

  /** The first task holds the key until the test lets go of it. */
  beforeEach(() => {
    mutex = new KeyedMutex();
    begun = [];
    const held = new Promise<void>((resolve) => (letGo = resolve));
    first = run('first', undefined, () => held);
  });

  const run = (name: string, limit?: TurnLimit, wait = () => Promise.resolve()) =>
    mutex.run(
      'key',
      async () => {
        begun.push(name);
        await wait();
        return name;
      },
      limit,
    );
  const within = (ms: number): TurnLimit => ({
    deadline: performance.now() + ms,
    tooLate: () => new Error('too late'),
  });

  it('run in the order in which they came, even if one fails', async () => {
    const failing = run('second', undefined, () => Promise.reject(new Error('failed')));
    const third = run('third', within(HOUR_MS));
    letGo();
    await expect(failing).rejects.toThrow('failed');
    expect(await third).toBe('third');
    expect(begun).toEqual(['first', 'second', 'third']);
  });

  it('give up when their deadline passes, and then never begin', async () => {
    const late = [run('second', within(20)), run('third', within(10))];
    await Promise.all(late.map((waiting) => expect(waiting).rejects.toThrow('too late')));
    expect(begun).toEqual(['first']);

    // Behind those that gave up, the line is as long as it was.
    const patient = run('fourth');
    await new Promise(setImmediate);
    expect(begun).toEqual(['first']);
    letGo();
    expect(await first).toBe('first');
    expect(await patient).toBe('fourth');
    expect(begun).toEqual(['first', 'fourth']);
  });

  it('do not begin after their deadline, even if the process was too busy for its timers', async () => {
    const waiting = run('second', within(5));
    const giveUp = performance.now() + 10;
    while (performance.now() < giveUp);
    letGo();
    await expect(waiting).rejects.toThrow('too late');
    expect(begun).toEqual(['first']);
  });

  it('may take as long as they like once they have begun', async () => {
    let end!: () => void;
    const last = new Promise<void>((resolve) => (end = resolve));
    const second = run('second', within(HOUR_MS), () => last);
    const third = run('third', within(20));
    letGo();
    await expect(third).rejects.toThrow('too late');
    end();
    expect(await second).toBe('second');
  });
});
