import { Controller, Delete, Get, Header, Param, Put, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs, OrOwner, OrTicket } from '../../access/marks.js';
import { trailOf } from '../../access/trail.js';
import { AvatarsService } from '../../avatars/avatars.service.js';
import { VersionErasure } from '../../avatars/version.erasure.js';
import { assertUnconditional, etagOf } from '../../http/conditional.js';
import { hiddenVersion } from '../../model/manifest.js';
import { VersionAnswer } from '../avatars/avatars.dto.js';
import { changeRulesOf } from '../avatars/change-rules.js';
import { VersionAnswers } from '../avatars/version-answers.js';
import { IdPipe } from '../id.pipe.js';
import { JsonBody } from '../json-body.js';
import { DescribeId } from '../openapi/parameters.js';
import { AltBody, HistoryAnswer, RestoreBody, VersionReceiptAnswer } from './history.dto.js';
import { DescribeAlt, DescribeHistory, DescribeRestore, DescribeVersionErasure } from './history.openapi.js';
import { VersionPipe } from './version.pipe.js';

/**
 * Shows the history of an avatar, makes a version of it current again, removes one for good, and says what a
 * version shows.
 */
@ApiTags('avatars')
@DescribeId()
@Controller('v1/avatars/:id')
export class HistoryController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly erasure: VersionErasure,
    private readonly answers: VersionAnswers,
  ) {}

  @Get('versions')
  @Needs('read')
  @OrTicket('restore')
  @Header('Cache-Control', 'no-store')
  @DescribeHistory()
  async versions(
    @Param('id', IdPipe) id: string,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<HistoryAnswer> {
    const manifest = await this.avatars.history(id, caller.ticket?.name);
    const { current, versions, erasedAt, lock } = manifest;
    const hidden = hiddenVersion(manifest)?.version;
    return {
      id,
      current,
      ...(hidden !== undefined && { hidden }),
      versions: versions.map((version) => {
        const { by } = version;
        return Object.assign(
          this.answers.answerFor(request, id, version),
          caller.may('admin') && by && { by },
        );
      }),
      ...(erasedAt !== undefined && { erasedAt }),
      ...(lock?.locked && { lock }),
    };
  }

  @Delete('versions/:version')
  @Needs('admin', 'erase_version')
  @DescribeVersionErasure()
  async erase(
    @Param('id', IdPipe) id: string,
    @Param('version', VersionPipe) version: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionReceiptAnswer> {
    trailOf(request).version = version;
    assertUnconditional(request.headers);
    const { committed, ...receipt } = await this.erasure.erase(id, version, { requestId: request.id });
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 200);
    return { id, ...receipt, pending };
  }

  @Put('current')
  @Needs('write', 'restore')
  @OrTicket('restore')
  @DescribeRestore()
  async restore(
    @Param('id', IdPipe) id: string,
    @JsonBody() body: RestoreBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    trailOf(request).version = body.version;
    const rules = changeRulesOf(request.headers, caller);
    const { version, committed } = await this.avatars.restore(id, body.version, rules);
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 200).header('ETag', etagOf(version.version));
    return this.answers.answerFor(request, id, version, pending);
  }

  @Put('alt')
  @Needs('write', 'describe')
  @OrOwner()
  @DescribeAlt()
  async describe(
    @Param('id', IdPipe) id: string,
    @JsonBody() body: AltBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const alt = body.alt?.trim() ?? '';
    const said = alt === '' ? undefined : alt;
    const rules = changeRulesOf(request.headers, caller);
    const { version, committed } = await this.avatars.describe(id, said, body.version, rules);
    trailOf(request).version = version.version;
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 200);
    return this.answers.answerFor(request, id, version, pending);
  }
}
