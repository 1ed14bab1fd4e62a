/** Idle less than this part of a stretch: there was always something to be read or worked on. */
const BUSY = 0.05;

/**
 * Who keeps a body waiting, its client or this process. The client does where we would read, and this process has time to: what was
 * sent by then has been read. All else is our time: while what came is written to a slow disk, and while this process is so busy that
 * it does not come to read. All times are in ms.
 */
export class Waiting {
  private reading = false;
  private since = performance.now();
  private idleBefore = idleMs();
  private past = { client: 0, us: 0 };

  /** From here on we would read. */
  read(): void {
    this.mark(true);
  }

  /** From here on we do not read: there is no room for more, or all has come. */
  pause(): void {
    this.mark(false);
  }

  /** Something came. */
  progress(): void {
    this.mark(this.reading);
  }

  /** For how long the client was waited for. */
  get forClient(): number {
    return this.past.client + this.stretch().client;
  }

  /** For how long the client had to wait for us. */
  get forUs(): number {
    return this.past.us + this.stretch().us;
  }

  private mark(reading: boolean): void {
    const { client, us } = this.stretch();
    this.past.client += client;
    this.past.us += us;
    this.reading = reading;
    this.since = performance.now();
    this.idleBefore = idleMs();
  }

  private stretch(): { client: number; us: number } {
    const length = performance.now() - this.since;
    const idle = idleMs() - this.idleBefore;
    return this.reading && idle >= length * BUSY ? { client: length, us: 0 } : { client: 0, us: length };
  }
}

/** For how long this process has had nothing to do, since it began. */
function idleMs(): number {
  return performance.eventLoopUtilization().idle;
}
