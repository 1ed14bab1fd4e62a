import { Injectable, type PipeTransform } from '@nestjs/common';
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
