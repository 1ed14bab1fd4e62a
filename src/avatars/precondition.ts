import { CodedError } from '../errors.js';
import type { Instant, Lock, Manifest } from '../model/manifest.js';

/**
 * The state that a change requires: one of these versions is current, any version (`*`), or none. Undefined:
 * no requirement. While the store is away nobody knows what is current, so changes with a precondition fail.
 */
export type Precondition = readonly string[] | '*' | 'none' | undefined;

/** Refuses a change whose precondition is not met. @throws CodedError `precondition_failed` */
export function assertPrecondition({ current }: Manifest, precondition: Precondition): void {
  if (isMet(precondition, current)) return;
  const detail =
    current === null ? 'The avatar has no current version.' : `The current version is ${current}.`;
  throw new CodedError('precondition_failed', detail, { members: { current } });
}

/**
 * Refuses a change of an avatar that is locked.
 * @param at when the change was accepted, if it has waited since: later locks do not concern it
 * @throws CodedError `avatar_locked`
 */
export function assertUnlocked({ lock }: Manifest, at?: Instant): void {
  if (!lock?.locked || (at !== undefined && lock.at > at)) return;
  throw new CodedError('avatar_locked', detailOf(lock), {
    ...(lock.reason !== undefined && { members: { reason: lock.reason } }),
  });
}

function detailOf({ reason }: Lock): string {
  const why = reason === undefined ? '' : ` The reason: ${reason}`;
  return `The avatar is locked: only a key or token with admin can change it or unlock it.${why}`;
}

function isMet(precondition: Precondition, current: string | null): boolean {
  if (precondition === undefined) return true;
  if (precondition === 'none') return current === null;
  if (current === null) return false;
  return precondition === '*' || precondition.includes(current);
}
