/** How long a request waits for the answer to another, in ms: what takes longer, or was stuck on its way, is waited for elsewhere. */
const FOLLOW_MS = 1000;

/** Requests that wait for the same answer. */
const MAX_FOLLOWERS = 1000;

interface Flight {
  followers: (() => void)[];
  timer: NodeJS.Timeout;
}

/** Requests that wait for the answer to the same request that came before them. */
export class Flights {
  private readonly flights = new Map<string, Flight>();

  /** From now on others can follow, until the flight ends. */
  lead(key: string): void {
    if (this.flights.has(key)) return;
    const timer = setTimeout(() => {
      this.end(key);
    }, FOLLOW_MS);
    this.flights.set(key, { followers: [], timer: timer.unref() });
  }

  /** @returns whether there is something to wait for; `go` is called once it is there or takes too long */
  follow(key: string, go: () => void): boolean {
    const flight = this.flights.get(key);
    if (!flight || flight.followers.length >= MAX_FOLLOWERS) return false;
    flight.followers.push(go);
    return true;
  }

  /** There is nothing more to wait for. */
  end(key: string): void {
    const flight = this.flights.get(key);
    if (!flight) return;
    clearTimeout(flight.timer);
    this.flights.delete(key);
    for (const go of flight.followers) go();
  }

  endAll(): void {
    for (const key of [...this.flights.keys()]) this.end(key);
  }
}
