/** How long a task may wait for its turn. */
export interface TurnLimit {
  /** On the monotonic clock (`performance.now()`), in ms. */
  deadline: number;
  /** The error that the caller gets when the deadline passes. */
  tooLate: () => Error;
}

/** A longer delay makes setTimeout fire after 1 ms. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Runs tasks of the same key one after the other, and tasks of different keys side by side. */
export class KeyedMutex {
  private readonly tails = new Map<string, Promise<unknown>>();

  /**
   * @param limit undefined: the task waits as long as those before it take
   * @returns what the task returns; a task that fails does not stop those behind it
   * @throws the error of `limit.tooLate` as soon as the deadline passes: the task did not begin, and never
   * will
   */
  run<T>(key: string, task: () => Promise<T>, limit?: TurnLimit): Promise<T> {
    const before = this.tails.get(key) ?? Promise.resolve();
    const { begin, late } = limit ? waitingUntil(limit, task) : { begin: task };
    const turn = before.then(begin, begin);
    this.tails.set(key, turn);
    // A task that gave up keeps its place in the line: those behind it still wait for those before it.
    const leave = () => {
      if (this.tails.get(key) === turn) this.tails.delete(key);
    };
    turn.then(leave, leave);
    return late ? Promise.race([turn, late]) : turn;
  }
}

/** @returns what to run when the turn comes, and a promise that is rejected if it does not come in time */
function waitingUntil<T>({ deadline, tooLate }: TurnLimit, task: () => Promise<T>) {
  const { promise: late, reject } = withReject();
  let waiting = true;
  const giveUp = () => {
    waiting = false;
    reject(tooLate());
  };
  const timer = setTimeout(giveUp, Math.min(deadline - performance.now(), MAX_DELAY_MS));
  const begin = (): Promise<T> => {
    clearTimeout(timer);
    // A busy process comes to its timers late.
    if (waiting && performance.now() > deadline) giveUp();
    return waiting ? task() : late;
  };
  return { begin, late };
}

function withReject(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject!: (error: Error) => void;
  const promise = new Promise<never>((_, fail) => (reject = fail));
  return { promise, reject };
}
