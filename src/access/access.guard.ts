import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { AccessRefused } from '../http/access-refused.js';
import { ForeignPages } from '../http/foreign-pages.js';
import { isId } from '../model/keys.js';
import { setCaller } from './called-by.js';
import { Caller } from './caller.js';
import { KeyRing } from './key-ring.js';
import { MARK, type Mark } from './marks.js';
import { trailOf } from './trail.js';

const CLOSED: Mark = { scope: 'admin', action: undefined };

/**
 * Decides who may call a route: everybody if it is `@Public()`, otherwise whoever has a key with the scope
 * that it `@Needs()`, for avatars that the key is for. A route without a mark takes `admin`. Without keys it
 * lets everybody pass but changes by web pages of other origins.
 */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly foreignPages: ForeignPages,
    private readonly keys: KeyRing,
  ) {}

  /** @throws CodedError `unauthorized`, `insufficient_scope`, `foreign_origin` */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const targets = [context.getHandler(), context.getClass()];
    const mark = this.reflector.getAllAndOverride<Mark | undefined>(MARK, targets) ?? CLOSED;
    if (this.keys.isEmpty) this.foreignPages.assertOwn(request.raw);
    if (mark !== 'public') this.admit(request, mark);
    return true;
  }

  private admit(request: FastifyRequest, { scope, action }: Exclude<Mark, 'public'>): void {
    const { id } = request.params as { id?: string };
    const trail = trailOf(request);
    trail.action = action;
    if (id !== undefined && isId(id)) trail.id = id;
    const caller = this.keys.isEmpty ? Caller.ANYBODY : this.callerOf(request);
    trail.by = caller.by;
    caller.assertMay(scope);
    if (id !== undefined) caller.assertCovers(id);
    setCaller(request, caller);
  }

  /** @throws AccessRefused `unauthorized` */
  private callerOf({ headers }: FastifyRequest): Caller {
    const key = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    if (key === undefined) {
      throw new AccessRefused(
        'unauthorized',
        'Send the header "Authorization: Bearer <key>" with your API key.',
      );
    }
    const caller = this.keys.callerWith(key);
    if (caller) return caller;
    throw new AccessRefused('unauthorized', 'This API key is unknown here: its SHA-256 is not in API_KEYS.', {
      error: 'invalid_token',
    });
  }
}
