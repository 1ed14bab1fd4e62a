import { Controller, Header, Put, Query, Req } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { CalledBy } from '../../access/called-by.js';
import { Caller } from '../../access/caller.js';
import { Needs } from '../../access/marks.js';
import { trailOf } from '../../access/trail.js';
import { AliasBatches, type Wanted } from '../../avatars/alias-batches.js';
import type { Replaced } from '../../avatars/alias-changes.js';
import { Aliases } from '../../avatars/aliases.js';
import { CodedError } from '../../errors.js';
import { describeError } from '../../http/describe-error.js';
import { FailureLog } from '../../http/failure-log.js';
import { assertId, isId } from '../../model/keys.js';
import { JsonBody } from '../json-body.js';
import { check } from '../rules.js';
import { AliasesBody } from './aliases.dto.js';
import { type BatchAnswer, BatchBody, type BatchEntry, type BatchResult } from './batch.dto.js';
import { DescribeBatch } from './batch.openapi.js';
import { givenHashes } from './given-hashes.js';
import { IfFreePipe, losersIn, takingFor } from './if-free.query.js';

const AGAIN = 'This avatar is in the call already. Send one entry for each avatar.';
const BESIDE =
  'Some of the addresses or hashes are those of an earlier avatar of the same call, too: `taken` names both. Send each for one avatar only.';

/** The e-mail addresses of many avatars. Its path is beside those of avatars, so that it reserves no id. */
@ApiTags('avatars')
@Controller('v1/aliases')
export class AliasBatchController {
  constructor(
    private readonly aliases: Aliases,
    private readonly batches: AliasBatches,
    private readonly failures: FailureLog,
  ) {}

  @Put()
  @Needs('write', 'aliases')
  @Header('Cache-Control', 'no-store')
  @DescribeBatch()
  async replace(
    @Query(IfFreePipe) ifFree: boolean,
    @JsonBody() { avatars }: BatchBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<BatchAnswer> {
    const [ids, owners] = [new Set<string>(), new Map<string, string>()];
    const checked = avatars.map((entry) => this.check(entry, caller, ids, owners));
    const ended = await this.batches.replaceEach(checked, takingFor(caller, ifFree));
    const results = ended.map(({ id, result }) => this.answerOf(id, result, request));
    trailOf(request).parts = results
      .filter(({ id }) => isId(id))
      .flatMap(({ id, status, error, takenFrom }) => [
        { id, status, code: error?.code },
        ...losersIn(takenFrom),
      ]);
    return { avatars: results };
  }

  /** What an entry wants, or why it is refused. Parameters are those of `hashesOf`. */
  private check(entry: BatchEntry, caller: Caller, ids: Set<string>, owners: Map<string, string>): Wanted {
    const { id } = entry;
    try {
      return { id, hashes: this.hashesOf(entry, caller, ids, owners) };
    } catch (error) {
      if (error instanceof CodedError) return { id, refusal: error };
      throw error;
    }
  }

  /**
   * @param ids of the entries before, and then of this one
   * @param owners by hash, the ids of the entries before, and then of this one
   * @throws CodedError `invalid_id`, `insufficient_scope`, `invalid_aliases`, `alias_taken`
   */
  private hashesOf(
    entry: BatchEntry,
    caller: Caller,
    ids: Set<string>,
    owners: Map<string, string>,
  ): readonly string[] {
    const { id, ...addresses } = entry;
    assertId(id);
    caller.assertCovers(id);
    if (ids.has(id)) throw new CodedError('invalid_aliases', AGAIN, { parameter: 'id' });
    ids.add(id);
    const hashes = givenHashes(check(AliasesBody, addresses), this.aliases.names);
    const taken = hashes.flatMap((hash) => {
      const owner = owners.get(hash);
      return owner === undefined ? [] : [[hash, owner] as const];
    });
    if (taken.length > 0)
      throw new CodedError('alias_taken', BESIDE, { members: { taken: Object.fromEntries(taken) } });
    for (const hash of hashes) owners.set(hash, id);
    return hashes;
  }

  private answerOf(id: string, result: PromiseSettledResult<Replaced>, request: FastifyRequest): BatchResult {
    if (result.status === 'fulfilled') return { id, status: 200, ...result.value };
    const { status, code, detail, parameter } = describeError(result.reason, request).problem;
    if (status >= 500) this.failures.log(result.reason, code, request);
    const members = result.reason instanceof CodedError ? result.reason.members : undefined;
    return {
      id,
      status,
      error: { code, detail, ...(parameter !== undefined && { parameter }), ...members },
    };
  }
}
