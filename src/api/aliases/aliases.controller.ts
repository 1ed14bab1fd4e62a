import { Controller, Get, Header, Param, Put, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs } from '../../access/marks.js';
import { AliasChanges } from '../../avatars/alias-changes.js';
import { Aliases } from '../../avatars/aliases.js';
import { IdPipe } from '../id.pipe.js';
import { JsonBody } from '../json-body.js';
import { DescribeId } from '../openapi/parameters.js';
import { AliasesAnswer, AliasesBody, AliasesChange } from './aliases.dto.js';
import { DescribeAliases, DescribeAliasesChange } from './aliases.openapi.js';
import { givenHashes } from './given-hashes.js';
import { IfFreePipe, takingFor } from './if-free.query.js';

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
  ): Promise<AliasesChange> {
    const hashes = givenHashes(body, this.aliases.names);
    return { id, ...(await this.changes.replace(id, hashes, takingFor(caller, ifFree))) };
  }

  @Get()
  @Needs('read')
  @Header('Cache-Control', 'no-store')
  @DescribeAliases()
  async get(@Param('id', IdPipe) id: string): Promise<AliasesAnswer> {
    return { id, hashes: await this.aliases.hashesOf(id) };
  }
}
