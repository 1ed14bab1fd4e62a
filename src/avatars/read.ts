import type { ReadToken } from './read-token.js';

/** How far something that was read can be trusted. */
export interface Trust {
  /**
   * Whether the store confirmed it at most `CACHE_MAX_AGE_MS` ago, or a second. Otherwise the store is away
   * or slow, this was last known, and the avatar may be erased by now: nobody may cache an answer made from
   * it.
   */
  readonly verified: boolean;
  /** While all of them hold, the same would be read again. Undefined if only the store can tell. */
  readonly tokens: readonly ReadToken[] | undefined;
}

/** What was read, and how far it can be trusted. */
export interface Read<Value> extends Trust {
  readonly value: Value;
}

/** Trust in what needs no read and never changes. */
export const CERTAIN: Trust = { verified: true, tokens: [] };

/** Trust in what is shown because the store cannot tell. */
export const UNVERIFIED: Trust = { verified: false, tokens: undefined };

/** Trust in what follows from two reads: it holds as long as both do. */
export function both(a: Trust, b: Trust): Trust {
  return {
    verified: a.verified && b.verified,
    tokens: a.tokens && b.tokens && [...new Set([...a.tokens, ...b.tokens])],
  };
}
