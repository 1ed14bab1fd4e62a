/** Runs one task for each key at a time. Callers that come meanwhile share its result. */
export class SingleFlight<T> {
  private readonly underWay = new Map<string, Promise<T>>();

  /** Joins the task under way, or starts this one. @returns its result; if it throws, all callers get the error */
  run(key: string, task: () => Promise<T>): Promise<T> {
    let flight = this.underWay.get(key);
    if (!flight) {
      flight = task().finally(() => this.underWay.delete(key));
      this.underWay.set(key, flight);
    }
    return flight;
  }
}
