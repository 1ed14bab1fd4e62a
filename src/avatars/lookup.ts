import { Injectable } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { ManifestUnreadable } from '../model/manifest-format.js';
import type { Version } from '../model/manifest.js';
import { isAway } from '../storage/object-store.js';
import { Aliases } from './aliases.js';
import type { Vouched } from './avatar.repository.js';
import { AvatarsService } from './avatars.service.js';

/** How many ids and hashes may wait for the store, over all lookups. */
const MAX_WAITING = 10_000;

/** The result for an id or a hash. */
export interface Found extends Vouched {
  /** Undefined if a hash stands for no avatar. */
  id: string | undefined;
  /** The current version, if any. */
  version: Version | undefined;
}

/** The result for an id that need not be readable. */
export interface FoundOrNot extends Found {
  id: string;
  /** Why nothing can be told of the avatar: its manifest is damaged, or the store is away and the manifest is not in memory. */
  failure?: Error;
}

/** Finds many avatars at once. */
@Injectable()
export class Lookup {
  private readonly limit: LimitFunction;

  constructor(
    private readonly avatars: AvatarsService,
    private readonly aliases: Aliases,
    settings: Settings,
  ) {
    this.limit = pLimit(settings.lookupConcurrency);
  }

  /**
   * Finds avatars by ids and by hashes.
   * @param ids valid already
   * @param hashes in lower case
   * @throws CodedError `busy`, and what the store throws if it is away and something asked for is not in memory
   */
  async find(
    ids: ReadonlySet<string>,
    hashes: ReadonlySet<string>,
  ): Promise<{ avatars: Map<string, Found>; hashes: Map<string, Found> }> {
    if (this.limit.pendingCount + ids.size + hashes.size > MAX_WAITING) {
      throw new CodedError('busy', 'Too many lookups at the same time. Try again shortly.');
    }
    const [avatars, found] = await Promise.all([
      this.each(ids, (id) => this.byId(id)),
      this.each(hashes, (hash) => this.byHash(hash)),
    ]);
    return { avatars, hashes: found };
  }

  /**
   * Finds an avatar, whatever waits here: a failure that has to do with this one is part of the result.
   * @param id valid already
   */
  async findOne(id: string): Promise<FoundOrNot> {
    try {
      return { ...(await this.byId(id)), id };
    } catch (error) {
      if (!isAway(error) && !(error instanceof ManifestUnreadable)) throw error;
      return { id, version: undefined, verified: false, failure: error };
    }
  }

  private async byId(id: string): Promise<Found> {
    const { version, verified } = await this.avatars.get(id);
    return { id, version, verified };
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
