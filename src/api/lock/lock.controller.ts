import { Controller, Header, Param, Put, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Needs } from '../../access/marks.js';
import { trailOf } from '../../access/trail.js';
import { AvatarLocks } from '../../avatars/avatar-locks.js';
import { IdPipe } from '../id.pipe.js';
import { JsonBody } from '../json-body.js';
import { DescribeId } from '../openapi/parameters.js';
import { LockAnswer, LockBody } from './lock.dto.js';
import { DescribeLock } from './lock.openapi.js';

/** Keeps avatars as they are, whatever callers without `admin` want. */
@ApiTags('avatars')
@DescribeId()
@Controller('v1/avatars/:id/lock')
export class LockController {
  constructor(private readonly locks: AvatarLocks) {}

  @Put()
  @Needs('admin', 'lock')
  @Header('Cache-Control', 'no-store')
  @DescribeLock()
  async set(
    @Param('id', IdPipe) id: string,
    @JsonBody() { locked, reason }: LockBody,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LockAnswer> {
    if (!locked) trailOf(request).action = 'unlock';
    const why = reason?.trim() ?? '';
    const { lock, committed } = await this.locks.set(id, { locked, ...(why !== '' && { reason: why }) });
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 200);
    return { id, locked, ...lock, ...(pending && { pending }) };
  }
}
