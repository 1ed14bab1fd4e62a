import { Injectable } from '@nestjs/common';
import { AvatarRepository } from '../avatars/avatar.repository.js';
import { type ReadToken, isKeepable } from '../avatars/read-token.js';
import { isErased } from '../model/manifest.js';
import { isAway } from '../storage/object-store.js';
import type { PictureRead } from './picture.js';

/** What became of a version while a picture of it was loaded. `unknown`: the store is away or slow. */
export type Seen = 'current' | 'replaced' | 'erased' | 'unknown';

/**
 * Looks at an avatar once more after a picture was loaded, or drawn. That may take long, since it has to be read and made, and everybody
 * makes pictures in turns: somebody may have erased it meanwhile, and have the receipt, or uploaded one.
 */
@Injectable()
export class SecondLook {
  constructor(private readonly repository: AvatarRepository) {}

  /**
   * Asks the store only if the read is too old by now. An erasure by this replica is in memory before its receipt is given, also one that
   * waits in the outbox.
   * @param read gave the version
   */
  async at(id: string, version: string, { verified, tokens }: PictureRead): Promise<Seen> {
    if (this.repository.knowsErased(id, version)) return 'erased';
    if (!verified) return 'unknown';
    if (tokens?.every((token) => this.repository.holds(token))) return 'current';
    try {
      const { manifest, verified: confirmed } = await this.repository.readCached(id);
      if (isErased(manifest, version)) return 'erased';
      // The read may have been one of an alias as well, which is not read again.
      if (!confirmed || !(tokens ?? []).every((token) => token.id !== undefined || isKeepable(token)))
        return 'unknown';
      return manifest.current === version ? 'current' : 'replaced';
    } catch (error) {
      if (!isAway(error)) throw error;
      return 'unknown';
    }
  }

  /**
   * Whether there is still no picture. Asks the store only if the read is too old by now.
   * @param read found none
   * @returns false also if the store is away or slow
   */
  async atNothing({ verified, tokens = [] }: PictureRead): Promise<boolean> {
    if (!verified) return false;
    const old = tokens.filter((token) => !isKeepable(token));
    const still = await Promise.all(old.map((token) => this.isStillWithout(token)));
    return still.every(Boolean);
  }

  private async isStillWithout({ id }: ReadToken): Promise<boolean> {
    // It was a read of an alias, which is not read again.
    if (id === undefined) return false;
    try {
      const { manifest, verified } = await this.repository.readCached(id);
      return verified && manifest.current === null;
    } catch (error) {
      if (!isAway(error)) throw error;
      return false;
    }
  }
}
