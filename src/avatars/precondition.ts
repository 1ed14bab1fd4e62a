import { CodedError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';

/**
 * What has to be current for a change to succeed: one of these versions, any version (`*`), or none. Undefined: anything. Nobody can tell
 * what is current while the store is away, so changes with a precondition fail then.
 */
export type Precondition = readonly string[] | '*' | 'none' | undefined;

/** Refuses a change whose precondition is not met. @throws CodedError `precondition_failed` */
export function assertPrecondition({ current }: Manifest, precondition: Precondition): void {
  if (isMet(precondition, current)) return;
  const detail =
    current === null ? 'The avatar has no current version.' : `The current version is ${current}.`;
  throw new CodedError('precondition_failed', detail);
}

function isMet(precondition: Precondition, current: string | null): boolean {
  if (precondition === undefined) return true;
  if (precondition === 'none') return current === null;
  if (current === null) return false;
  return precondition === '*' || precondition.includes(current);
}
