import { Injectable, type PipeTransform } from '@nestjs/common';
import { assertId } from '../model/keys.js';

/** What is wrong with a list of ids that has another text. */
export const NOT_AN_ID =
  'One of the ids is not an avatar id: 1 to 80 characters of A-Z a-z 0-9 . _ ~ @ | : + = - of which the first is a letter or digit, and not `lookup`.';

/** @throws CodedError `invalid_id` */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    assertId(id);
    return id;
  }
}
