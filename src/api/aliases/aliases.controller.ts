import { Controller, Get, Header, Param, Put, Query, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs } from '../../access/marks.js';
import { trailOf } from '../../access/trail.js';
import { AliasChanges } from '../../avatars/alias-changes.js';
import { Aliases } from '../../avatars/aliases.js';
import { IdPipe } from '../id.pipe.js';
import { JsonBody } from '../json-body.js';
import { DescribeId } from '../openapi/parameters.js';
import { AliasesAnswer, AliasesBody, AliasesChange } from './aliases.dto.js';
import { DescribeAliases, DescribeAliasesChange } from './aliases.openapi.js';
import { givenHashes } from './given-hashes.js';
import { IfFreePipe, losersIn, takingFor } from './if-free.query.js';

/**
 * The e-mail addresses that stand for an avatar, as hashes. Reading them takes a key, since addresses can be
 * guessed from their hashes.
 */
@ApiTags('avatars')
@DescribeId()
@Controller('v1/avatars/:id/aliases')
export class AliasesController {
  constructor(
    private readonly aliases: Aliases,
    private readonly changes: AliasChanges,
  ) {}

  @Put()
  @Needs('write', 'aliases')
  @Header('Cache-Control', 'no-store')
  @DescribeAliasesChange()
  async replace(
    @Param('id', IdPipe) id: string,
    @Query(IfFreePipe) ifFree: boolean,
    @JsonBody() body: AliasesBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<AliasesChange> {
    const hashes = givenHashes(body, this.aliases.names);
    const replaced = await this.changes.replace(id, hashes, takingFor(caller, ifFree));
    trailOf(request).parts = losersIn(replaced.takenFrom);
    return { id, ...replaced };
  }

  @Get()
  @Needs('read')
  @Header('Cache-Control', 'no-store')
  @DescribeAliases()
  async get(@Param('id', IdPipe) id: string): Promise<AliasesAnswer> {
    return { id, hashes: await this.aliases.hashesOf(id) };
  }
}
