import pLimit, { type LimitFunction } from 'p-limit';
import { CodedError } from '../errors.js';
import type { Aliases } from './aliases.js';
import type { AvatarsService, Current } from './avatars.service.js';

/** Ids and hashes that may wait for the store, all lookups together. */
const MAX_WAITING = 10_000;

/** What there is of an avatar: its id, undefined where a hash stands for none, and the current version, if any. */
export interface Found extends Current {
  id: string | undefined;
}

/** Many avatars at once. */
export class Lookup {
  private readonly limit: LimitFunction;

  /** @param concurrency avatars that are asked for at the same time, all lookups together */
  constructor(
    private readonly avatars: AvatarsService,
    private readonly aliases: Aliases,
    concurrency: number,
  ) {
    this.limit = pLimit(concurrency);
  }

  /**
   * @param ids valid already
   * @param hashes as `isHash` accepts them
   * @throws CodedError `busy`, and what the store throws where it is away and something asked for is not in memory
   */
  async find(
    ids: ReadonlySet<string>,
    hashes: ReadonlySet<string>,
  ): Promise<{ avatars: Map<string, Found>; hashes: Map<string, Found> }> {
    if (this.limit.pendingCount + ids.size + hashes.size > MAX_WAITING) {
      throw new CodedError('busy', 'Too many lookups are on their way. Try again shortly.');
    }
    const [avatars, found] = await Promise.all([
      this.each(ids, (id) => this.byId(id)),
      this.each(hashes, (hash) => this.byHash(hash)),
    ]);
    return { avatars, hashes: found };
  }

  private async byId(id: string): Promise<Found> {
    return { id, ...(await this.avatars.current(id)) };
  }

  private async byHash(hash: string): Promise<Found> {
    const { id, verified } = await this.aliases.resolve(hash);
    if (id === undefined) return { id, version: undefined, verified };
    const found = await this.byId(id);
    return { ...found, verified: verified && found.verified };
  }

  private async each(
    names: ReadonlySet<string>,
    find: (name: string) => Promise<Found>,
  ): Promise<Map<string, Found>> {
    const entries = [...names].map(async (name) => [name, await this.limit(find, name)] as const);
    return new Map(await Promise.all(entries));
  }
}
