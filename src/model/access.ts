/** What callers may do. `admin` includes the other two. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** What a call changes, as the log says it. */
export type Action =
  'upload' | 'remove' | 'restore' | 'describe' | 'aliases' | 'lock' | 'unlock' | 'erase' | 'erase_version';

/** Kinds of credentials. */
export const CREDENTIALS = ['key', 'token', 'ticket'] as const;

/** Who called, by the name of its credential: that of a key is in API_KEYS. */
export interface By {
  kind: (typeof CREDENTIALS)[number];
  name: string;
}
