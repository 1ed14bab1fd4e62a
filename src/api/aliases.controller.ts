import { Controller, Get, Header, Param, Put, Req, UseGuards } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Aliases } from '../avatars/aliases.js';
import { ApiKeyGuard } from '../http/api-key.guard.js';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { ALIASES_MAX_BYTES, type AliasesAnswer, aliasesOf } from './aliases.dto.js';
import { ValidId } from './avatars.dto.js';
import { DescribeAliases, DescribeAliasesChange } from './avatars.openapi.js';
import { DescribeProblems } from './problems.openapi.js';

/** The hashes of e-mail addresses that stand for an avatar: who knows them may guess addresses, so that a key is needed. */
@ApiTags('avatars')
@DescribeProblems()
@Controller('v1/avatars/:id/aliases')
@UseGuards(ApiKeyGuard)
export class AliasesController {
  constructor(
    private readonly aliases: Aliases,
    private readonly json: JsonReceiver,
  ) {}

  @Put()
  @Header('Cache-Control', 'no-store')
  @DescribeAliasesChange()
  async replace(@Param('id', ValidId) id: string, @Req() request: FastifyRequest): Promise<AliasesAnswer> {
    const hashes = aliasesOf(await this.json.receive(request.raw, ALIASES_MAX_BYTES));
    return { id, hashes: await this.aliases.replace(id, hashes) };
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @DescribeAliases()
  async get(@Param('id', ValidId) id: string): Promise<AliasesAnswer> {
    return { id, hashes: await this.aliases.of(id) };
  }
}
