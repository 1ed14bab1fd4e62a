import { FailingAvatars } from '../../src/avatars/failing-avatars.js';

const LIMIT_MS = 3_600_000;
const ROUND_MS = 2000;

describe('avatars that keep failing', () => {
  let now: number;
  let avatars: FailingAvatars;

  beforeEach(() => {
    now = 0;
    avatars = new FailingAvatars(LIMIT_MS, () => now);
  });

  /** Rounds in which the storage works. @returns after how many of them an avatar had failed for too long, if ever */
  const fail = (id: string, rounds: number, everyMs = ROUND_MS) => {
    for (let round = 1; round <= rounds; round++) {
      now += everyMs;
      avatars.storageWorks();
      if (avatars.failed(id)) return round;
    }
    return undefined;
  };

  it('have failed for too long after the limit; a success starts the time again', () => {
    // The clock begins with the first failure, and the limit has to be exceeded.
    expect(fail('a', 10_000)).toBe(LIMIT_MS / ROUND_MS + 2);
    expect(avatars.failed('a')).toBe(true);
    expect(avatars.failed('b')).toBe(false);
    avatars.succeeded('a');
    expect(fail('a', 1800)).toBeUndefined();
  });

  it('do not age while the storage is away, however long and however often', () => {
    expect(fail('a', 2)).toBeUndefined();
    for (let outage = 0; outage < 1000; outage++) {
      avatars.storageIsAway();
      now += 100 * LIMIT_MS;
      expect(fail('a', 1)).toBeUndefined();
    }
  });

  it('age only a little while nobody looks, because the process stood still or the circuit was open', () => {
    for (const days of [1, 10, 100]) {
      avatars.succeeded('a');
      expect(fail('a', 10, days * 86_400_000)).toBeUndefined();
    }
  });

  it('come after the others, the one that failed longest ago first', () => {
    for (const id of ['a', 'b', 'c', 'a']) avatars.failed(id);
    expect(avatars.inTurn(['a', 'new', 'c', 'b', 'newer'])).toEqual(['new', 'newer', 'b', 'c', 'a']);
    expect(avatars.inTurn(['a', 'c'])).toEqual(['c', 'a']);
  });

  it('are forgotten when nothing of theirs waits and the last failure is long past', () => {
    expect(fail('a', 10_000)).toBeDefined();
    avatars.forget(() => false);
    // What comes soon after is set aside at once.
    expect(fail('a', 1)).toBe(1);
    now += LIMIT_MS + 1;
    avatars.forget(() => true);
    expect(avatars.inTurn(['new', 'a', 'newer'])).toEqual(['new', 'newer', 'a']);
    avatars.forget(() => false);
    expect(avatars.inTurn(['new', 'a', 'newer'])).toEqual(['new', 'a', 'newer']);
    expect(fail('a', 1)).toBeUndefined();
  });
});
