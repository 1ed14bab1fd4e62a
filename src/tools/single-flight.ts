interface Flight<T> {
  readonly result: Promise<T>;
  /** By the monotonic clock, in ms. */
  readonly begunAt: number;
}

/** Runs one task for each key at a time. Callers that come meanwhile share its result. */
export class SingleFlight<T> {
  private readonly underWay = new Map<string, Flight<T>>();

  /**
   * Joins the task under way, or starts this one.
   * @param maxAgeMs a task that began longer ago is not joined, but replaced
   * @returns its result; if it throws, all callers get the error
   */
  run(key: string, task: () => Promise<T>, maxAgeMs = Infinity): Promise<T> {
    const known = this.underWay.get(key);
    const begunAt = performance.now();
    if (known && begunAt - known.begunAt <= maxAgeMs) return known.result;
    const flight = {
      begunAt,
      result: task().finally(() => {
        if (this.underWay.get(key) === flight) this.underWay.delete(key);
      }),
    };
    this.underWay.set(key, flight);
    return flight.result;
  }

  /** Lets nobody join the task under way any more. Those who have joined it still get its result. */
  leave(key: string): void {
    this.underWay.delete(key);
  }
}
