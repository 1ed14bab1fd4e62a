import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { AccessRefused } from '../http/access-refused.js';
import { ForeignPages } from '../http/foreign-pages.js';
import { isId } from '../model/keys.js';
import type { TicketAction } from '../model/ticket.js';
import { setCaller } from './called-by.js';
import { Caller } from './caller.js';
import { KeyRing } from './key-ring.js';
import { MARK, type Mark, TICKET_MARK } from './marks.js';
import { Tickets } from './tickets.js';
import { trailOf } from './trail.js';

const CLOSED: Mark = { scope: 'admin', action: undefined };

/**
 * Decides who may call a route: everybody if it is `@Public()`, otherwise whoever has a key with the scope
 * that it `@Needs()`, for avatars that the key is for, `@OrTicket()` a ticket for that avatar. A route
 * without a mark takes `admin`. Without keys it lets everybody pass, but for changes by web pages of other
 * origins.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly foreignPages: ForeignPages,
    private readonly keys: KeyRing,
    private readonly tickets: Tickets,
  ) {}

  /** @throws CodedError `unauthorized`, `ticket_expired`, `insufficient_scope`, `foreign_origin` */
  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const targets = [context.getHandler(), context.getClass()];
    const mark = this.reflector.getAllAndOverride<Mark | undefined>(MARK, targets) ?? CLOSED;
    if (mark === 'public') return true;
    const { id } = request.params as { id?: string };
    const trail = trailOf(request);
    trail.action = mark.action;
    if (id !== undefined && isId(id)) trail.id = id;
    const caller = await this.callerOf(request);
    trail.by = caller.by;
    caller.assertMay(
      mark.scope,
      this.reflector.getAllAndOverride<TicketAction | undefined>(TICKET_MARK, targets),
    );
    if (id !== undefined) caller.assertCovers(id);
    setCaller(request, caller);
    return true;
  }

  /** @throws CodedError `unauthorized`, `ticket_expired`, `foreign_origin` */
  private async callerOf({ headers, raw }: FastifyRequest): Promise<Caller> {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const known = bearer === undefined ? undefined : this.keys.callerWith(bearer);
    if (known) return known;
    const ticket = bearer === undefined ? undefined : await this.tickets.read(bearer);
    if (ticket) {
      if (ticket.origin !== undefined) this.foreignPages.assertFrom(ticket.origin, raw);
      return Caller.withTicket(ticket);
    }
    if (this.keys.isEmpty) {
      this.foreignPages.assertOwn(raw);
      return Caller.ANYBODY;
    }
    if (bearer === undefined) {
      throw new AccessRefused(
        'unauthorized',
        'Send the header "Authorization: Bearer <key>" with your API key.',
      );
    }
    throw new AccessRefused('unauthorized', 'This API key is unknown here: its SHA-256 is not in API_KEYS.', {
      error: 'invalid_token',
    });
  }
}
