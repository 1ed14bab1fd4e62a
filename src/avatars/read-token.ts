/**
 * One read from the store, by which an answer made from it can tell later whether it still holds. It is small, because answers keep it
 * longer than what was read.
 */
export interface ReadToken {
  /** The avatar, if pending changes of it overrule what was read. */
  readonly id?: string;
  /** When the store last confirmed what was read, by the monotonic clock, in ms. */
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
