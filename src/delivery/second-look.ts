import { Injectable } from '@nestjs/common';
import { AvatarRepository, type ManifestRead } from '../avatars/avatar.repository.js';
import type { Trust } from '../avatars/read.js';
import { isKeepable } from '../avatars/read-token.js';
import { isErased } from '../model/manifest.js';
import { isAway } from '../storage/object-store.js';

/**
 * What became of a version while a picture of it was loaded. `gone`: it was erased, or the avatar is hidden.
 * `unknown`: the store is away or slow.
 */
export type Seen = 'current' | 'replaced' | 'gone' | 'unknown';

/**
 * Looks at an avatar once more after a picture was loaded, or drawn. That may take long, since it has to be
 * read and made, and everybody makes pictures in turns: somebody may have erased it meanwhile, and have the
 * receipt, or uploaded one.
 */
@Injectable()
export class SecondLook {
  constructor(private readonly repository: AvatarRepository) {}

  /**
   * Asks the store only if the read is too old by now. An erasure by this replica is in memory before its
   * receipt is given, also one that waits in the outbox.
   * @param read gave the version
   */
  async at(id: string, version: string, { verified, tokens }: Trust): Promise<Seen> {
    if (this.repository.knowsErased(id, version)) return 'gone';
    if (!verified) return 'unknown';
    if (tokens?.every((token) => this.repository.isStillRight(token))) return 'current';
    const again = await this.reread(id);
    if (again && isGone(again, version)) return 'gone';
    // The read may have been one of an alias as well, which is not read again.
    if (!again?.verified || !(tokens ?? []).every((token) => token.id !== undefined || isKeepable(token)))
      return 'unknown';
    return again.value.current === version ? 'current' : 'replaced';
  }

  /**
   * Whether there is still no picture. Asks the store only if the read is too old by now.
   * @param read found none
   * @returns false also if the store is away or slow
   */
  async atNothing({ verified, tokens = [] }: Trust): Promise<boolean> {
    if (!verified) return false;
    const old = tokens.filter((token) => !isKeepable(token));
    const still = old.map(async ({ id }) => {
      // One of an alias is not read again.
      const again = id === undefined ? undefined : await this.reread(id);
      return again?.verified === true && again.value.current === null;
    });
    return (await Promise.all(still)).every(Boolean);
  }

  /** @returns undefined if the store is away, and nothing is known */
  private async reread(id: string): Promise<ManifestRead | undefined> {
    try {
      return await this.repository.readCached(id);
    } catch (error) {
      if (!isAway(error)) throw error;
      return undefined;
    }
  }
}

function isGone({ value, incomplete }: ManifestRead, version: string): boolean {
  return isErased(value, version) || (value.current === null && incomplete === undefined);
}
