import { AccessRefused } from '../http/access-refused.js';
import { type By, SCOPES, type Scope } from '../model/access.js';

/** What a credential gives. */
export interface Grant {
  scopes: readonly Scope[];
  /** How the ids begin that it is for; empty: it is for all. */
  prefix: string;
}

/** Who sent a request, and what they may do. */
export class Caller {
  /** Everybody, where no keys are set. */
  static readonly ANYBODY = new Caller(undefined, { scopes: SCOPES, prefix: '' });
  /** Somebody who has shown nothing, on a route that is open to all. */
  static readonly STRANGER = new Caller(undefined, { scopes: [], prefix: '' });

  constructor(
    readonly by: By | undefined,
    private readonly grant: Grant,
  ) {}

  /** Whether it may do something with some avatar. */
  may(scope: Scope): boolean {
    const { scopes } = this.grant;
    return scopes.includes(scope) || scopes.includes('admin');
  }

  /** Whether it may do anything with an avatar. */
  covers(id: string): boolean {
    return id.startsWith(this.grant.prefix);
  }

  /** Whether it may take an address from any avatar. */
  get mayTakeOver(): boolean {
    return this.may('admin') && this.grant.prefix === '';
  }

  /** @throws AccessRefused `insufficient_scope` */
  assertMay(scope: Scope): void {
    if (this.may(scope)) return;
    throw new AccessRefused(
      'insufficient_scope',
      `This call takes ${scope}, which your key does not have. Use another key, or have its scopes changed in API_KEYS.`,
      { error: 'insufficient_scope', scope },
    );
  }

  /** @throws AccessRefused `insufficient_scope` */
  assertCovers(id: string): void {
    if (this.covers(id)) return;
    throw new AccessRefused(
      'insufficient_scope',
      `Your key is for avatars whose ids begin with ${this.grant.prefix}. Use another key for this one.`,
      { error: 'insufficient_scope' },
    );
  }
}
