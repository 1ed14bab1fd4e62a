import { Injectable, type PipeTransform } from '@nestjs/common';
import type { Caller } from '../../access/caller.js';
import type { TrailPart } from '../../access/trail.js';
import type { ReplaceOptions, Replaced } from '../../avatars/alias-changes.js';
import { Must, check } from '../rules.js';

class IfFreeQuery {
  static readonly code = 'invalid_aliases';

  @Must((value) => value === 'true' || value === 'false', { message: 'ifFree has to be true or false.' })
  ifFree = 'false';
}

/**
 * Whether a change of aliases takes no hash from another avatar. A misspelt parameter is refused: the change
 * would take what it was not to take.
 * @throws CodedError `invalid_aliases`
 */
@Injectable()
export class IfFreePipe implements PipeTransform<unknown, boolean> {
  transform(query: unknown): boolean {
    return check(IfFreeQuery, query).ifFree === 'true';
  }
}

/** The avatars that addresses were taken from, for the log. */
export function losersIn(takenFrom: Replaced['takenFrom'] = {}): TrailPart[] {
  return [...new Set(Object.values(takenFrom))].map((id) => ({ id, status: 200, outcome: 'taken_from' }));
}

/** What a caller may take from other avatars, and learn of them. */
export function takingFor(caller: Caller, ifFree: boolean): ReplaceOptions {
  return { ifFree: ifFree || !caller.mayTakeOver, mayName: (id) => caller.covers(id) };
}
