/** Runs one task of a key at a time; who asks while it is on its way gets its result. */
export class SingleFlight<T> {
  private readonly underWay = new Map<string, Promise<T>>();

  /** @returns what the task that is on its way returns, or else this one; what it throws, all who wait get */
  run(key: string, task: () => Promise<T>): Promise<T> {
    let flight = this.underWay.get(key);
    if (!flight) {
      flight = task().finally(() => this.underWay.delete(key));
      this.underWay.set(key, flight);
    }
    return flight;
  }
}
