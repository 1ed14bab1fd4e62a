import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { AliasChanges, type ReplaceOptions, type Replaced } from './alias-changes.js';

/** How many avatars may wait for their turn, over all batches. */
const MAX_WAITING = 5000;

const FULL = 'Too many avatars wait for their addresses at the same time. Try again shortly.';
const LATE = 'The call took too long, and this avatar was not begun. Send it again.';

/** The hashes that are to stand for an avatar, or why they cannot. */
export type Wanted = { id: string } & ({ hashes: readonly string[] } | { refusal: Error });

/** How an avatar of a batch ended: with what `AliasChanges.replace` returns or throws. */
export interface Ended {
  id: string;
  result: PromiseSettledResult<Replaced>;
}

/** Replaces the aliases of many avatars, a few at a time over all batches. */
@Injectable()
export class AliasBatches {
  private readonly limit: LimitFunction;

  constructor(
    private readonly changes: AliasChanges,
    private readonly settings: Settings,
  ) {
    this.limit = pLimit(settings.aliasConcurrency);
  }

  /**
   * Replaces the aliases of each avatar by itself. Those that were not begun after `aliasBatchTimeoutMs` are
   * left as they are.
   * @param batch no two for the same avatar
   * @returns for each, in order, how it ended: also with its refusal, or with `busy`
   * @throws CodedError `busy`: none was begun
   */
  async replaceEach(batch: readonly Wanted[], options: ReplaceOptions): Promise<readonly Ended[]> {
    if (this.limit.pendingCount + batch.length > MAX_WAITING) throw new CodedError('busy', FULL);
    const deadline = performance.now() + this.settings.aliasBatchTimeoutMs;
    const replace = (one: Wanted) => {
      if ('refusal' in one) throw one.refusal;
      if (performance.now() >= deadline) throw new CodedError('busy', LATE);
      return this.changes.replace(one.id, one.hashes, options);
    };
    const ended = batch.map(async (one) => {
      const [result] = await Promise.allSettled([this.limit(replace, one)]);
      return { id: one.id, result };
    });
    return Promise.all(ended);
  }
}
