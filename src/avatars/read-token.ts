/**
 * One read from the store, by which an answer made from it can tell later whether it still holds. It is small, because answers keep it
 * longer than what was read.
 */
export interface ReadToken {
  /** The avatar, if pending changes of it overrule what was read. */
  readonly id?: string;
  /** When the store last confirmed what was read, by the monotonic clock, in ms. */
  readAt: number;
  /** Whether something else is known by now, or nothing any more. */
  gone: boolean;
}
