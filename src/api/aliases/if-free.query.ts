import { Injectable, type PipeTransform } from '@nestjs/common';
import { CodedError } from '../../errors.js';

/** Whether a change of aliases takes no hash from another avatar. @throws CodedError `invalid_aliases` */
@Injectable()
export class IfFreePipe implements PipeTransform<unknown, boolean> {
  transform(value: unknown = 'false'): boolean {
    if (value === 'true' || value === 'false') return value === 'true';
    throw new CodedError('invalid_aliases', 'ifFree has to be true or false.', { parameter: 'ifFree' });
  }
}
