import type { TicketAction } from './ticket.js';

/** What callers may do. `admin` includes the other two. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a call changes or hands out, as the log says it. */
export type Action =
  TicketAction | 'describe' | 'aliases' | 'ticket' | 'lock' | 'unlock' | 'erase' | 'erase_version';

/** Kinds of credentials. */
export const CREDENTIALS = ['key', 'token', 'ticket'] as const;

/** Names of credentials. The subject of a token has at most 255 characters (OpenID Connect Core 1.0, 2). */
export const CALLER_NAME = /^[^\p{Cc}\p{Cs}]{1,255}$/u;

/**
 * Who called, by the name of its credential: that of a key is in API_KEYS, that of a ticket in the log, and
 * that of a token is its subject.
 */
export interface By {
  kind: (typeof CREDENTIALS)[number];
  name: string;
}
