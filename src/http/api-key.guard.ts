import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { FastifyRequest } from 'fastify';
import type { Config } from '../config/config.module.js';
import { CodedError } from '../errors.js';

/** Lets a writer pass who shows one of the bearer keys, or anybody where none are set. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  private readonly sums: readonly Buffer[];

  constructor(@Inject(ConfigService) config: Config) {
    const { apiKeys } = config.get('settings', { infer: true });
    this.sums = apiKeys.map((sum) => Buffer.from(sum, 'hex'));
  }

  canActivate(context: ExecutionContext): boolean {
    if (this.sums.length === 0) return true;
    const { authorization } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    const key = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    const sum = createHash('sha256')
      .update(key ?? '')
      .digest();
    if (key !== undefined && this.sums.some((known) => timingSafeEqual(known, sum))) return true;
    throw new CodedError('unauthorized', 'Changing avatars needs the header "Authorization: Bearer <key>".');
  }
}
