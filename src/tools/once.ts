/**
 * A task that has to succeed once. Callers that come meanwhile share the attempt; after a failure the next
 * caller tries again.
 */
export class Once<T> {
  private attempt: Promise<T> | undefined;

  constructor(private readonly task: () => Promise<T>) {}

  /** Whether the task has succeeded or is under way. */
  get hasBegun(): boolean {
    return this.attempt !== undefined;
  }

  /** @returns what the task returns, or returned earlier. @throws what the task throws */
  run(): Promise<T> {
    this.attempt ??= this.task().catch((error: unknown) => {
      this.attempt = undefined;
      throw error;
    });
    return this.attempt;
  }
}
