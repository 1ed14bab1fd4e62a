/**
 * How long a request waits for the answer to another, in ms. After that it is handled by itself: the other
 * may be stuck.
 */
const FOLLOW_MS = 1000;

/** How many requests may wait for the same answer. */
const MAX_FOLLOWERS = 1000;

interface Flight {
  followers: (() => void)[];
  timer: NodeJS.Timeout;
}

/**
 * Lets requests wait for the answer to an earlier request for the same picture. Unlike a `SingleFlight`,
 * which shares a result, it only says when to look again: each request is then answered by itself.
 */
export class Flights {
  private readonly flights = new Map<string, Flight>();

  /** Starts a flight, which others can follow until it ends. */
  lead(key: string): void {
    if (this.flights.has(key)) return;
    const timer = setTimeout(() => {
      this.end(key);
    }, FOLLOW_MS);
    this.flights.set(key, { followers: [], timer: timer.unref() });
  }

  /**
   * Waits for a flight. `go` is called once it ends or takes too long.
   * @returns false if there is none to wait for
   */
  follow(key: string, go: () => void): boolean {
    const flight = this.flights.get(key);
    if (!flight || flight.followers.length >= MAX_FOLLOWERS) return false;
    flight.followers.push(go);
    return true;
  }

  /** Ends a flight: its followers go. */
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
