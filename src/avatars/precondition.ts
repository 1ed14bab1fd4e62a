import { CodedError } from '../errors.js';
import type { Manifest } from '../model/manifest.js';

/**
 * What has to be current, or a change fails: one of these versions, any version (`*`), or none. Undefined: whatever is current. It can't
 * be told while the store is away, and then a change with a precondition fails, too.
 */
export type Precondition = readonly string[] | '*' | 'none' | undefined;

/** @throws CodedError `precondition_failed` */
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
