/**
 * The most that one step may count, as a share of the limit: no pause between two checks, however long, uses
 * the limit up.
 */
const LONGEST_STEP = 1 / 10;

interface Failing {
  /** How long the storage had worked at the first failure, in ms. */
  since: number;
  /** The monotonic clock at the last failure, in ms. */
  lastAt: number;
}

/**
 * Knows which avatars keep failing, and for how long. Only time during which the storage was seen to work
 * counts: the clock stands still while the storage is away.
 */
export class FailingAvatars {
  private readonly failing = new Map<string, Failing>();
  private workedMs = 0;
  /** When the storage was last seen to work; undefined: it was away since then. */
  private workedAt: number | undefined;

  /**
   * @param limitMs how long an avatar may fail
   * @param now a monotonic clock, in ms
   */
  constructor(
    private readonly limitMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** The storage was seen to work. */
  storageWorks(): void {
    const now = this.now();
    if (this.workedAt !== undefined) {
      this.workedMs += Math.min(now - this.workedAt, this.limitMs * LONGEST_STEP);
    }
    this.workedAt = now;
  }

  /** The storage was seen not to work. */
  storageIsAway(): void {
    this.workedAt = undefined;
  }

  /**
   * An avatar failed while the storage worked.
   * @returns whether it has kept failing for longer than the limit
   */
  failed(id: string): boolean {
    const since = this.failing.get(id)?.since ?? this.workedMs;
    // Moves it to the end: see `inTurn`.
    this.failing.delete(id);
    this.failing.set(id, { since, lastAt: this.now() });
    return this.workedMs - since > this.limitMs;
  }

  succeeded(id: string): void {
    this.failing.delete(id);
  }

  /**
   * Sorts avatars: first those that do not fail, then those that failed longest ago. So none blocks the
   * others.
   */
  inTurn(ids: Iterable<string>): string[] {
    const all = new Set(ids);
    const failing = [...this.failing.keys()].filter((id) => all.has(id));
    return [...[...all].filter((id) => !this.failing.has(id)), ...failing];
  }

  /** Forgets avatars that have no entries any more and whose last failure is long past. */
  forget(hasEntries: (id: string) => boolean): void {
    for (const [id, { lastAt }] of this.failing) {
      if (!hasEntries(id) && this.now() - lastAt > this.limitMs) this.failing.delete(id);
    }
  }
}
