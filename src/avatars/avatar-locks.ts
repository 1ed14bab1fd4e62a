import { Injectable } from '@nestjs/common';
import type { Lock } from '../model/manifest.js';
import { AvatarChanges, type Committed } from './avatar.changes.js';

/** Locks avatars: while one is locked, changes that are to be made `unlessLocked` are refused. */
@Injectable()
export class AvatarLocks {
  constructor(private readonly changes: AvatarChanges) {}

  /**
   * @param wanted a reason only for a lock
   * @returns the lock that holds now; undefined if the avatar never was locked
   * @throws what the store and the outbox throw
   */
  async set(id: string, wanted: Omit<Lock, 'at'>): Promise<{ lock: Lock | undefined; committed: Committed }> {
    const state = await this.changes.begin(id);
    const { committed, intent, manifest } = await this.changes.change(state, ({ lock }) => {
      // While the store is away, it may be otherwise there.
      if (isSame(lock, wanted) && state.away === undefined) return undefined;
      return { type: 'lock', at: state.at, ...wanted };
    });
    return { lock: intent ? { at: state.at, ...wanted } : manifest.lock, committed };
  }
}

/** An avatar that never was locked is the same as an unlocked one. */
function isSame(lock: Lock | undefined, { locked, reason }: Omit<Lock, 'at'>): boolean {
  return (lock?.locked ?? false) === locked && lock?.reason === reason;
}
