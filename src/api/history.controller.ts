import { Controller, Get, Header, Param, Put, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AvatarsService } from '../avatars/avatars.service.js';
import { etagOf, preconditionOf } from '../http/conditional.js';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { HistoryAnswer, ValidId, VersionAnswer, versionOf } from './avatars.dto.js';
import { DescribeHistory, DescribeRestore } from './avatars.openapi.js';
import { DescribeProblems } from './problems.openapi.js';
import { VersionAnswers } from './version-answers.js';

/** Much more than the name of a version takes. */
const RESTORE_MAX_BYTES = 4096;

/** Shows the history of an avatar, and makes a version of it current again. */
@ApiTags('avatars')
@DescribeProblems()
@Controller('v1/avatars/:id')
export class HistoryController {
  constructor(
    private readonly avatars: AvatarsService,
    private readonly json: JsonReceiver,
    private readonly answers: VersionAnswers,
  ) {}

  @Get('versions')
  @Header('Cache-Control', 'no-store')
  @DescribeHistory()
  async versions(@Param('id', ValidId) id: string, @Req() request: FastifyRequest): Promise<HistoryAnswer> {
    const { current, versions, erasedAt } = await this.avatars.history(id);
    const answers = versions.map((version) => this.answers.of(request, id, version));
    return { id, current, versions: answers, ...(erasedAt !== undefined && { erasedAt }) };
  }

  @Put('current')
  @DescribeRestore()
  async restore(
    @Param('id', ValidId) id: string,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<VersionAnswer> {
    const precondition = preconditionOf(request.headers);
    const name = versionOf(await this.json.receive(request.raw, RESTORE_MAX_BYTES));
    const { version, committed } = await this.avatars.restore(id, name, { precondition });
    const pending = committed === 'pending';
    reply.status(pending ? 202 : 200).header('ETag', etagOf(version.version));
    return this.answers.of(request, id, version, pending);
  }
}
