import { AccessRefused } from '../http/access-refused.js';
import { type By, SCOPES, type Scope } from '../model/access.js';
import type { Ticket, TicketAction } from '../model/ticket.js';
import type { OwnMark } from './marks.js';
import { type Token, scopeOfToken } from './token.js';

/** What a credential gives. */
export interface Grant {
  scopes: readonly Scope[];
  /** How the ids begin that it is for; empty: it is for all. */
  prefix: string;
}

const NOTHING: Grant = { scopes: [], prefix: '' };

/** Who sent a request, and what they may do. */
export class Caller {
  /** Everybody, where no keys are set. */
  static readonly ANYBODY = new Caller(undefined, { scopes: SCOPES, prefix: '' });
  /** Somebody who has shown nothing, on a route that is open to all. */
  static readonly STRANGER = new Caller(undefined, NOTHING);

  /** @param own the only avatar that it is for; undefined: those of `grant` */
  private constructor(
    readonly by: By | undefined,
    private readonly grant: Grant,
    private readonly own?: string,
    readonly ticket?: Ticket,
  ) {}

  static withKey(name: string, grant: Grant): Caller {
    return new Caller({ kind: 'key', name }, grant);
  }

  static withTicket(ticket: Ticket): Caller {
    return new Caller({ kind: 'ticket', name: ticket.name }, NOTHING, ticket.id, ticket);
  }

  static withToken({ subject, scopes, own }: Token): Caller {
    const by: By = { kind: 'token', name: subject };
    return scopes.length > 0 ? new Caller(by, { scopes, prefix: '' }) : new Caller(by, NOTHING, own);
  }

  /** Whether it has a scope: it may do such things with avatars that it covers. */
  may(scope: Scope): boolean {
    const { scopes } = this.grant;
    return scopes.includes(scope) || scopes.includes('admin');
  }

  /** Whether it may do anything with an avatar. */
  covers(id: string): boolean {
    return this.own === undefined ? id.startsWith(this.grant.prefix) : id === this.own;
  }

  /** Whether it may take an address from any avatar. */
  get mayTakeOver(): boolean {
    return this.may('admin') && this.grant.prefix === '';
  }

  /** Whether it is an application, which calls for many users from one address. */
  get isApplication(): boolean {
    return this.by !== undefined && this.own === undefined;
  }

  /**
   * @param mark of a route that is open to those who are for its avatar only
   * @throws AccessRefused `insufficient_scope`
   */
  assertMay(scope: Scope, mark?: OwnMark): void {
    if (this.may(scope)) return;
    if (mark && this.own !== undefined) {
      if (!this.ticket || (mark.ticket && this.ticket.may.includes(mark.ticket))) return;
    }
    throw new AccessRefused('insufficient_scope', this.lackOf(scope, mark), {
      error: 'insufficient_scope',
      scope: this.by?.kind === 'token' ? scopeOfToken(scope) : scope,
    });
  }

  /** @throws AccessRefused `insufficient_scope` */
  assertCovers(id: string): void {
    if (this.covers(id)) return;
    const detail = this.ticket
      ? 'Your ticket is for another avatar. Get one for this avatar.'
      : this.own === undefined
        ? `Your key is for avatars whose ids begin with ${this.grant.prefix}. Use another key for this one.`
        : `Your token is for the avatar ${this.own}. Call that one, or get a token with a scope.`;
    throw new AccessRefused('insufficient_scope', detail, { error: 'insufficient_scope' });
  }

  /** What to do to have a scope. */
  private lackOf(scope: Scope, mark: OwnMark | undefined): string {
    if (this.ticket) return lackOfTicket(this.ticket, mark?.ticket);
    if (this.by?.kind !== 'token') {
      return `This call takes ${scope}, which your key does not have. Use another key, or have its scopes changed in API_KEYS.`;
    }
    const wanted = `This call takes ${scopeOfToken(scope)}`;
    return this.own === undefined
      ? `${wanted}, which your token does not have. Have the identity provider give it that scope.`
      : `${wanted}, and your token has no scope: it may only change the picture of ${this.own}.`;
  }
}

function lackOfTicket({ may }: Ticket, action: TicketAction | undefined): string {
  if (!action) return 'No ticket is enough for this call. Have your server make it with a key.';
  return `Your ticket is for ${may.join(' and ')}, not for ${action}. Get one whose "may" has ${action}.`;
}
