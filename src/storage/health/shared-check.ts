interface Running<T> {
  result: Promise<T>;
  /** Resolves when the bound is over, or never if the check has ended by then. */
  overdue: Promise<undefined>;
}

/** Runs one check at a time for all who ask, some of whom cannot wait for its end. */
export class SharedCheck<T> {
  private running: Running<T> | undefined;
  private slow = false;

  /**
   * @param check must not throw
   * @param boundMs how long callers of `inTime` wait, counted from the start of the check
   * @param becameSlow called when a check takes longer, unless the one before did too
   */
  constructor(
    private readonly check: () => Promise<T>,
    private readonly boundMs: number,
    private readonly becameSlow: () => void,
  ) {}

  complete(): Promise<T> {
    return this.join().result;
  }

  /** @returns undefined if the check is overdue; it goes on */
  async inTime(): Promise<T | undefined> {
    const { result, overdue } = this.join();
    return Promise.race([result, overdue]);
  }

  private join(): Running<T> {
    this.running ??= this.begin();
    return this.running;
  }

  private begin(): Running<T> {
    let timer: NodeJS.Timeout | undefined;
    let late = false;
    const overdue = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        late = true;
        if (!this.slow) this.becameSlow();
        this.slow = true;
        resolve(undefined);
      }, this.boundMs).unref();
    });
    const result = this.check().finally(() => {
      clearTimeout(timer);
      this.slow = late;
      this.running = undefined;
    });
    return { result, overdue };
  }
}
