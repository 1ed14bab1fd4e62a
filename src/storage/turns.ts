import { StorageBusy } from './object-store.js';

export interface TurnsOptions {
  /** Tasks that run at the same time. */
  concurrency: number;
  /** Tasks that may wait in each line. */
  queue: number;
  /** How long one may wait, in ms. */
  maxWaitMs: number;
}

/** Lets so many tasks run at a time. The others wait in lines, which get a turn in turn: however long one is, no other starves. */
export class Turns {
  private running = 0;
  /** Who waits in each line, longest first, to be called when the turn comes; the line that had the last turn is the last. */
  private readonly lines = new Map<string, Set<() => void>>();

  constructor(private readonly options: TurnsOptions) {}

  /**
   * @param line one of a few: they are kept
   * @throws StorageBusy where too many wait in this line already, or the task has waited for too long; it was not begun then
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

  /** A task is over: its turn goes to the next line in which somebody waits, or is free. */
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
