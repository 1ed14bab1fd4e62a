import type { PipeTransform } from '@nestjs/common';
import { assertId } from '../model/keys.js';

/** @throws CodedError `invalid_id` */
export const ValidId: PipeTransform<string, string> = {
  transform(id) {
    assertId(id);
    return id;
  },
};
