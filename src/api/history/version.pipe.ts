import { Injectable, type PipeTransform } from '@nestjs/common';
import { CodedError } from '../../errors.js';
import { isVersion } from '../../model/keys.js';

/** @throws CodedError `invalid_version` */
@Injectable()
export class VersionPipe implements PipeTransform<string, string> {
  transform(version: string): string {
    if (isVersion(version)) return version;
    const detail = 'That is not the name of a version. Take it from /versions.';
    throw new CodedError('invalid_version', detail, { parameter: 'version' });
  }
}
