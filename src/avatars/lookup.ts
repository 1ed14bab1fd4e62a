import { Injectable, Logger } from '@nestjs/common';
import pLimit, { type LimitFunction } from 'p-limit';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import type { Version } from '../model/manifest.js';
import { isAway } from '../storage/object-store.js';
import { LogOnce } from '../tools/log-once.js';
import { Aliases } from './aliases.js';
import { AvatarsService } from './avatars.service.js';
import { type Read, UNVERIFIED, both } from './read.js';

/** How many ids and hashes may wait for the store, over all lookups. */
const MAX_WAITING = 10_000;

/** How many damaged aliases are remembered, so that the log has each once. */
const MAX_DAMAGED = 1000;

/** The current version of an avatar that was looked up, if it has one. */
export interface Found extends Read<Version | undefined> {
  /** Undefined if a hash stands for no avatar. */
  id: string | undefined;
  /**
   * Why nothing can be told of the avatar: its manifest or the alias is damaged, or the store is away and the
   * manifest is not in memory.
   */
  failure?: CodedError;
}

/** Finds many avatars at once. */
@Injectable()
export class Lookup {
  private readonly logger = new Logger(Lookup.name);
  private readonly damaged = new LogOnce(Infinity, MAX_DAMAGED);
  private readonly limit: LimitFunction;

  constructor(
    private readonly avatars: AvatarsService,
    private readonly aliases: Aliases,
    settings: Settings,
  ) {
    this.limit = pLimit(settings.lookupConcurrency);
  }

  /**
   * Finds avatars by ids and by hashes. Damage of one is part of its result, and keeps no other from being
   * found.
   * @param ids valid already
   * @param hashes in lower case
   * @throws CodedError `busy`, and what the store throws if it is away and something asked for is not in
   * memory
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
   * Finds an avatar, whatever waits here: a failure that has to do with this one, or the store's being away,
   * is part of the result.
   * @param id valid already
   */
  async findOne(id: string): Promise<Found & { id: string }> {
    try {
      return await this.byId(id);
    } catch (error) {
      if (!isAway(error)) throw error;
      return { id, value: undefined, ...UNVERIFIED, failure: error };
    }
  }

  private async byId(id: string): Promise<Found & { id: string }> {
    try {
      return { id, ...(await this.avatars.get(id)) };
    } catch (error) {
      return { id, value: undefined, ...UNVERIFIED, failure: damageIn(error) };
    }
  }

  private async byHash(hash: string): Promise<Found> {
    let read: Read<string | undefined>;
    try {
      read = await this.aliases.resolve(hash);
    } catch (error) {
      const failure = damageIn(error);
      if (!failure.logged && this.damaged.isFirst(hash)) {
        this.logger.error({ err: failure }, 'an alias is damaged: `visage verify` names it');
      }
      return { id: undefined, value: undefined, ...UNVERIFIED, failure };
    }
    const { value: id, ...pointer } = read;
    if (id === undefined) return { id, value: undefined, ...pointer };
    const found = await this.byId(id);
    return { ...found, ...both(pointer, found) };
  }

  private async each(
    names: ReadonlySet<string>,
    find: (name: string) => Promise<Found>,
  ): Promise<Map<string, Found>> {
    const entries = [...names].map(async (name) => [name, await this.limit(find, name)] as const);
    return new Map(await Promise.all(entries));
  }
}

/** @throws the error, unless it says that a manifest or an alias is damaged */
function damageIn(error: unknown): CodedError {
  if (error instanceof CodedError && error.code === 'manifest_unreadable') return error;
  throw error;
}
