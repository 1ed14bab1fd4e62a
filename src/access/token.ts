import type { Scope } from '../model/access.js';

/** What an access token of an identity provider gives. */
export interface Token {
  /** Its `sub`. */
  subject: string;
  /** Empty: it is for its own avatar only. */
  scopes: readonly Scope[];
  /** The id that it has; undefined: none that an avatar can have. */
  own: string | undefined;
}

/** How the identity provider names a scope. */
export function scopeOfToken(scope: Scope): string {
  return `avatars:${scope}`;
}
