interface Window {
  leftOut: number;
  end: () => void;
}

/** Tells what happens for the first time from what was told a short while ago, so that the log does not tell it a thousand times. */
export class Repeated {
  /** By kind, the oldest first. */
  private readonly windows = new Map<string, Window>();

  /**
   * @param windowMs how long others of a kind are left out after one was told, in ms
   * @param maxKinds that are remembered; with more, the window of the oldest ends early
   */
  constructor(
    private readonly windowMs: number,
    private readonly maxKinds: number,
  ) {}

  /**
   * @param summarize called when the window that this one opens is over, with how many were left out, unless none was
   * @returns whether it is to be told; otherwise it is counted
   */
  isFirst(kind: string, summarize: (leftOut: number) => void): boolean {
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
    const timer = setTimeout(end, this.windowMs).unref();
    this.windows.set(kind, window);
    return true;
  }

  /** Ends all windows now. */
  flush(): void {
    for (const { end } of [...this.windows.values()]) end();
  }
}
