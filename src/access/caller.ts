import { AccessRefused } from '../http/access-refused.js';
import { type By, SCOPES, type Scope } from '../model/access.js';
import type { Ticket, TicketAction } from '../model/ticket.js';

/** What a key gives. */
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

  static withTicket(ticket: Ticket): Caller {
    return new Caller({ kind: 'ticket', name: ticket.name }, NOTHING, ticket);
  }

  private constructor(
    readonly by: By | undefined,
    private readonly grant: Grant,
    readonly ticket?: Ticket,
  ) {}

  static withKey(name: string, grant: Grant): Caller {
    return new Caller({ kind: 'key', name }, grant);
  }

  /** Whether it has a scope: it may do such things with avatars that it covers. */
  may(scope: Scope): boolean {
    const { scopes } = this.grant;
    return scopes.includes(scope) || scopes.includes('admin');
  }

  /** Whether it may do anything with an avatar. */
  covers(id: string): boolean {
    return this.ticket ? id === this.ticket.id : id.startsWith(this.grant.prefix);
  }

  /** Whether it may take an address from any avatar. */
  get mayTakeOver(): boolean {
    return this.may('admin') && this.grant.prefix === '';
  }

  /**
   * @param action for which a ticket does instead of the scope; undefined: there is none
   * @throws AccessRefused `insufficient_scope`
   */
  assertMay(scope: Scope, action?: TicketAction): void {
    if (this.may(scope)) return;
    if (this.ticket) {
      if (action && this.ticket.may.includes(action)) return;
      throw new AccessRefused('insufficient_scope', detailOf(this.ticket, action), {
        error: 'insufficient_scope',
        scope,
      });
    }
    throw new AccessRefused(
      'insufficient_scope',
      `This call takes ${scope}, which your key does not have. Use another key, or have its scopes changed in API_KEYS.`,
      { error: 'insufficient_scope', scope },
    );
  }

  /** @throws AccessRefused `insufficient_scope` */
  assertCovers(id: string): void {
    if (this.covers(id)) return;
    const detail = this.ticket
      ? 'Your ticket is for another avatar. Get one for this avatar.'
      : `Your key is for avatars whose ids begin with ${this.grant.prefix}. Use another key for this one.`;
    throw new AccessRefused('insufficient_scope', detail, { error: 'insufficient_scope' });
  }
}

function detailOf({ may }: Ticket, action: TicketAction | undefined): string {
  if (!action) return 'No ticket is enough for this call. Have your server make it with a key.';
  return `Your ticket is for ${may.join(' and ')}, not for ${action}. Get one whose "may" has ${action}.`;
}
