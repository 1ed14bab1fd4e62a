import { Injectable, type PipeTransform } from '@nestjs/common';
import { assertId } from '../model/keys.js';

/** @throws CodedError `invalid_id` */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(id: string): string {
    assertId(id);
    return id;
  }
}
