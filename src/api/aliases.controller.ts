import { Controller, Get, Header, Param, Put } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Aliases } from '../avatars/aliases.js';
import { hashEmail } from '../model/alias.js';
import { AliasesAnswer, AliasesBody } from './aliases.dto.js';
import { ValidId } from './id.pipe.js';
import { JsonBody } from './json-body.js';
import { DescribeAliases, DescribeAliasesChange } from './openapi/aliases.js';

/** The e-mail addresses that stand for an avatar, as hashes. Reading them takes a key, since addresses can be guessed from their hashes. */
@ApiTags('avatars')
@Controller('v1/avatars/:id/aliases')
export class AliasesController {
  constructor(private readonly aliases: Aliases) {}

  @Put()
  @Header('Cache-Control', 'no-store')
  @DescribeAliasesChange()
  async replace(@Param('id', ValidId) id: string, @JsonBody() body: AliasesBody): Promise<AliasesAnswer> {
    const { emails = [], hashes = [] } = body;
    const wanted = [...emails.flatMap(hashEmail), ...hashes.map((hash) => hash.toLowerCase())];
    return { id, hashes: await this.aliases.replace(id, wanted) };
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @DescribeAliases()
  async get(@Param('id', ValidId) id: string): Promise<AliasesAnswer> {
    return { id, hashes: await this.aliases.of(id) };
  }
}
