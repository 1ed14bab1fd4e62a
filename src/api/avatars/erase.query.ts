import type { PipeTransform } from '@nestjs/common';
import { parseBefore } from '../../avatars/parse-before.js';
import { CodedError } from '../../errors.js';
import type { Instant } from '../../model/manifest.js';

/** What a DELETE removes. */
export interface EraseQuery {
  erase: boolean;
  /** Erase only what is not newer. Undefined: everything. */
  before: Instant | undefined;
}

/** @throws CodedError `invalid_erase`, `invalid_before` */
export const ErasePipe: PipeTransform<Record<string, unknown>, EraseQuery> = {
  transform: ({ erase = 'false', before }) => {
    if (erase !== 'true' && erase !== 'false') {
      throw new CodedError('invalid_erase', 'erase has to be true or false.', { parameter: 'erase' });
    }
    if (before === undefined) return { erase: erase === 'true', before };
    if (erase === 'true') return { erase: true, before: parseBefore(before) };
    throw new CodedError('invalid_before', 'before is only for erase=true. Send both, or neither.', {
      parameter: 'before',
    });
  },
};
