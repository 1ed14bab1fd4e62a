import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ForeignPages } from './foreign-pages.js';
import { PUBLIC } from './public.js';

/**
 * Asks for one of the bearer keys of API_KEYS on every route that is not `@Public()`. Without keys it lets
 * everybody pass but changes by web pages of other origins.
 */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly sums: readonly Buffer[];

  constructor(
    private readonly reflector: Reflector,
    private readonly foreignPages: ForeignPages,
    { apiKeys }: Settings,
  ) {
    this.sums = apiKeys.map((sum) => Buffer.from(sum, 'hex'));
  }

  /** @throws CodedError `unauthorized`, `foreign_origin` */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (this.sums.length === 0) {
      this.foreignPages.assertOwn(request.raw);
      return true;
    }
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets)) return true;
    const { authorization } = request.headers;
    const key = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (key === undefined) {
      throw new CodedError(
        'unauthorized',
        'Send the header "Authorization: Bearer <key>" with your API key.',
      );
    }
    const sum = createHash('sha256').update(key).digest();
    if (this.sums.some((known) => timingSafeEqual(known, sum))) return true;
    throw new CodedError('unauthorized', 'This API key is unknown here: its SHA-256 is not in API_KEYS.');
  }
}
