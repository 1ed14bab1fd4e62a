import { CodedError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';

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

function isMet(precondition: Precondition, current: string | null): boolean {
  if (precondition === undefined) return true;
  if (precondition === 'none') return current === null;
  if (current === null) return false;
  return precondition === '*' || precondition.includes(current);
}
