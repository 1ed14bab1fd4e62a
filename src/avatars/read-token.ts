/**
 * One read from the store, by which an answer made from it can tell later whether it still holds. It is small, because answers keep it
 * longer than what was read.
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

/** What this process has last read or written of an object. */
export interface LastKnown {
  /** Undefined if the store had no such object, or a damaged one. */
  etag?: string | undefined;
  readonly token: ReadToken;
  /** A read that began before then, by the monotonic clock in ms, may tell of an older state. */
  newerThan: number;
  /** The etag that a write of this process has replaced; undefined if there was none, or the object was only read. */
  replaced?: string | undefined;
}

/**
 * Whether something became known during a read that overrules what the read found. A write whose answer came during it does, unless the
 * read began after the write and found neither what was written nor what that replaced: then others have built on it.
 */
export function overrules(known: LastKnown, read: { readAt: number; etag: string | undefined }): boolean {
  if (known.newerThan < read.readAt) return false;
  return read.readAt < known.token.readAt || [known.etag, known.replaced].includes(read.etag);
}

/** Whether what was read may be shown without asking the store. */
export function isFresh({ readAt, maxAgeMs, gone }: ReadToken): boolean {
  return !gone && performance.now() - readAt < maxAgeMs;
}

/**
 * How old what an answer was made from may be if others, such as a CDN, are to keep the answer, in ms: for as long as it may be shown
 * without asking the store, and for a second in any case, since reading and making take time, too.
 */
export function keepableMs(maxAgeMs: number): number {
  return Math.max(maxAgeMs, 1000);
}

/** Whether others may keep an answer that is made now from what was read. */
export function isKeepable({ readAt, maxAgeMs }: ReadToken): boolean {
  return performance.now() - readAt <= keepableMs(maxAgeMs);
}
