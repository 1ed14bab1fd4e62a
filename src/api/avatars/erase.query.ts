import { Injectable, type PipeTransform } from '@nestjs/common';
import { parseBefore } from '../../avatars/parse-before.js';
import type { Instant } from '../../model/manifest.js';
import { invalidParameter } from './invalid-parameter.js';

/** What a DELETE removes. */
export interface EraseQuery {
  erase: boolean;
  /** Erase only what is not newer. Undefined: everything. */
  before: Instant | undefined;
}

/** @throws CodedError `invalid_erase`, `invalid_before` */
@Injectable()
export class ErasePipe implements PipeTransform<Record<string, unknown>, EraseQuery> {
  transform({ erase = 'false', before }: Record<string, unknown>): EraseQuery {
    if (erase !== 'true' && erase !== 'false')
      throw invalidParameter('erase', 'erase has to be true or false.');
    if (before === undefined) return { erase: erase === 'true', before };
    if (erase === 'true') return { erase: true, before: parseBefore(before) };
    throw invalidParameter('before', 'before is only for erase=true. Send both, or neither.');
  }
}
