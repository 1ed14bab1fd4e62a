/**
 * The share of idle time below which this process counts as busy: it always had something to read or to work
 * on.
 */
const BUSY = 0.05;

/**
 * Tells who keeps a body waiting, its client or this process. It is the client while we want to read and have
 * nothing else to do: we have then read everything it sent. It is we while the bytes are written to a slow
 * disk, and while this process is too busy to read. The time that we work while we want to read is nobody's:
 * what the client sent meanwhile may be with the system. All times are in ms.
 */
export class Waiting {
  private reading = false;
  private readonly begun = performance.now();
  private since = this.begun;
  private idleBefore = idleMs();
  private past = { client: 0, us: 0 };

  /** From now on we want to read. */
  read(): void {
    this.mark(true);
  }

  /** From now on we don't want to read: there is no room for more, or everything has arrived. */
  pause(): void {
    this.mark(false);
  }

  /** Something arrived. */
  progress(): void {
    this.mark(this.reading);
  }

  /** How long we have waited for the client. */
  get forClient(): number {
    return this.past.client + this.stretch().client;
  }

  /** How long the client has waited for us. */
  get forUs(): number {
    return this.past.us + this.stretch().us;
  }

  /** How long it has taken so far. */
  get total(): number {
    return performance.now() - this.begun;
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
    return this.reading && idle >= length * BUSY ? { client: idle, us: 0 } : { client: 0, us: length };
  }
}

/** How long this process has had nothing to do since it started. */
function idleMs(): number {
  return performance.eventLoopUtilization().idle;
}
