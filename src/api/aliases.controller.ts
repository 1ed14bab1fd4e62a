import { Controller, Get, Header, Param, Put, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Aliases } from '../avatars/aliases.js';
import { JsonReceiver } from '../uploads/json-receiver.js';
import { ALIASES_MAX_BYTES, type AliasesAnswer, aliasesOf } from './aliases.dto.js';
import { ValidId } from './avatars.dto.js';
import { DescribeAliases, DescribeAliasesChange } from './avatars.openapi.js';
import { DescribeProblems } from './problems.openapi.js';

/** The hashes of e-mail addresses that stand for an avatar. Reading them takes a key, since addresses can be guessed from them. */
@ApiTags('avatars')
@DescribeProblems()
@Controller('v1/avatars/:id/aliases')
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
