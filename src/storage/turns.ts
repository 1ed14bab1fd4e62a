import { StorageBusy } from './object-store.js';

export interface TurnsOptions {
  /** Tasks that run at the same time. */
  concurrency: number;
  /** Tasks that may wait in each line. */
  queue: number;
  /** How long a task may wait, in ms. */
  maxWaitMs: number;
}

/** Limits how many tasks run at a time. The others wait in lines that take turns, so that a long line does not starve the others. */
export class Turns {
  private running = 0;
  /** What to call when a waiting task gets its turn, the longest waiting first. The line that had the last turn comes last. */
  private readonly lines = new Map<string, Set<() => void>>();

  constructor(private readonly options: TurnsOptions) {}

  /**
   * @param line one of a small number of names: lines are never removed
   * @throws StorageBusy if too many wait in this line already, or the task has waited for too long. It was not begun then.
   */
  async run<T>(line: string, task: () => Promise<T>): Promise<T> {
    if (this.running < this.options.concurrency) this.running++;
    else await this.wait(this.lineOf(line));
    try {
      return await task();
    } finally {
      this.passOn();
    }
  }

  private lineOf(name: string): Set<() => void> {
    const line = this.lines.get(name) ?? new Set();
    if (!this.lines.has(name)) this.lines.set(name, line);
    return line;
  }

  private wait(line: Set<() => void>): Promise<void> {
    const { queue, maxWaitMs } = this.options;
    if (line.size >= queue) return Promise.reject(new StorageBusy());
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        line.delete(leave);
        resolve();
      };
      const timer = setTimeout(() => {
        line.delete(leave);
        reject(new StorageBusy());
      }, maxWaitMs);
      line.add(leave);
    });
  }

  /** Gives the turn of a task that is over to the next line in which a task waits, if there is one. */
  private passOn(): void {
    for (const [name, line] of this.lines) {
      const [next] = line;
      if (!next) continue;
      this.lines.delete(name);
      this.lines.set(name, line);
      next();
      return;
    }
    this.running--;
  }
}
