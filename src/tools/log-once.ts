interface Window {
  leftOut: number;
  end: () => void;
}

/**
 * Tells the first event of a kind from its repetitions, so that the log doesn't have the same line a thousand
 * times.
 */
export class LogOnce {
  /** By kind, the oldest first. */
  private readonly windows = new Map<string, Window>();

  /**
   * @param windowMs how long repetitions of a kind are left out after the first, in ms; Infinity: for good
   * @param maxKinds how many kinds are remembered; if there are more, the window of the oldest ends early
   */
  constructor(
    private readonly windowMs: number,
    private readonly maxKinds: number,
  ) {}

  /**
   * @param summarize called at the end of the window that this event opens, with how many were left out,
   * unless none were
   * @returns whether to log the event; otherwise it is counted
   */
  isFirst(kind: string, summarize: (leftOut: number) => void = () => undefined): boolean {
    const open = this.windows.get(kind);
    if (open) {
      open.leftOut++;
      return false;
    }
    const [oldest] = this.windows.values();
    if (this.windows.size >= this.maxKinds) oldest?.end();
    const end = () => {
      clearTimeout(timer);
      this.windows.delete(kind);
      if (window.leftOut > 0) summarize(window.leftOut);
    };
    const window: Window = { leftOut: 0, end };
    const timer = this.windowMs === Infinity ? undefined : setTimeout(end, this.windowMs).unref();
    this.windows.set(kind, window);
    return true;
  }

  /** Ends all windows now, with their summaries. */
  flush(): void {
    for (const { end } of [...this.windows.values()]) end();
  }
}
