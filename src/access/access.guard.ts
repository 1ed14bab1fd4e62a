import type { IncomingMessage } from 'node:http';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { AccessRefused } from '../http/access-refused.js';
import { ForeignPages } from '../http/foreign-pages.js';
import { isId } from '../model/keys.js';
import { setCaller } from './called-by.js';
import { Caller } from './caller.js';
import { KeyRing } from './key-ring.js';
import { MARK, type Mark, OWN_MARK, type OwnMark } from './marks.js';
import { Tickets } from './tickets.js';
import { Tokens } from './tokens.js';
import { trailOf } from './trail.js';

const CLOSED: Mark = { scope: 'admin', action: undefined };

/**
 * Decides who may call a route: everybody if it is `@Public()`, otherwise whoever has a key or token with the
 * scope that it `@Needs()`, for avatars that it is for; `@OrOwner()` a token of the avatar's own user;
 * `@OrTicket()` that or a ticket for the avatar. A route without a mark takes `admin`. Without keys and an
 * identity provider it lets everybody pass, but for changes by web pages of other origins.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly foreignPages: ForeignPages,
    private readonly keys: KeyRing,
    private readonly tickets: Tickets,
    private readonly tokens: Tokens,
  ) {}

  /** @throws CodedError `insufficient_scope`, and what `callerOf` throws */
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
    caller.assertMay(mark.scope, this.reflector.getAllAndOverride<OwnMark | undefined>(OWN_MARK, targets));
    if (id !== undefined) caller.assertCovers(id);
    setCaller(request, caller);
    return true;
  }

  /** @throws CodedError `unauthorized`, `foreign_origin`, and what a ticket or token is refused for */
  private async callerOf({ headers, raw }: FastifyRequest): Promise<Caller> {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const known = bearer === undefined ? undefined : await this.callerWith(bearer, raw);
    if (known) return known;
    if (this.keys.isEmpty && !this.tokens.enabled) {
      this.foreignPages.assertOwn(raw);
      return Caller.ANYBODY;
    }
    if (bearer === undefined) {
      throw new AccessRefused(
        'unauthorized',
        'Send the header "Authorization: Bearer <key>" with your API key, ticket or token.',
      );
    }
    const looksSigned = bearer.split('.').length === 3;
    const detail = this.tokens.enabled
      ? 'This is no key of API_KEYS, no ticket, and no token: those of the identity provider have to be signed JWTs.'
      : looksSigned
        ? 'This is no key of API_KEYS. If it is a token of an identity provider: JWT_ISSUER is not set here.'
        : 'This API key is unknown here: its SHA-256 is not in API_KEYS.';
    throw new AccessRefused('unauthorized', detail, { error: 'invalid_token' });
  }

  /** @returns undefined if it is nothing that is known here */
  private async callerWith(bearer: string, request: IncomingMessage): Promise<Caller | undefined> {
    const owner = this.keys.callerWith(bearer);
    if (owner) return owner;
    const ticket = await this.tickets.read(bearer);
    if (ticket) {
      if (ticket.origin !== undefined) this.foreignPages.assertFrom(ticket.origin, request);
      return Caller.withTicket(ticket);
    }
    const token = await this.tokens.read(bearer);
    return token && Caller.withToken(token);
  }
}
