/**
 * One read from the store, by which an answer made from it can tell later whether it still holds. It is
 * small, because answers keep it longer than what was read.
 */
export interface ReadToken {
  /** The avatar, if pending changes of it overrule what was read. */
  readonly id?: string;
  /** When the call to the store began that last confirmed what was read, by the monotonic clock, in ms. */
  readAt: number;
  /** For how long after that it may be shown without asking the store, in ms. */
  readonly maxAgeMs: number;
  /** Whether something else is known by now, or nothing any more. */
  gone: boolean;
}

/** Whether what was read may be shown without asking the store. */
export function isFresh({ readAt, maxAgeMs, gone }: ReadToken): boolean {
  return !gone && performance.now() - readAt < maxAgeMs;
}

/**
 * How old what an answer was made from may be if others, such as a CDN, are to keep the answer, in ms: for as
 * long as it may be shown without asking the store, and for a second in any case, since reading and making
 * take time, too.
 */
export function keepableMs(maxAgeMs: number): number {
  return Math.max(maxAgeMs, 1000);
}

/** Whether others may keep an answer that is made now from what was read. */
export function isKeepable({ readAt, maxAgeMs }: ReadToken): boolean {
  return performance.now() - readAt <= keepableMs(maxAgeMs);
}
