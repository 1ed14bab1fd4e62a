import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { isVersion } from '../../model/keys.js';
import { VersionAnswer } from '../avatars/avatars.dto.js';
import { Must } from '../json-body.js';
import { ID_SCHEMA, INSTANT_SCHEMA, VERSION_SCHEMA } from '../openapi/schemas.js';

/** The version to make current. */
export class RestoreBody {
  static readonly code = 'invalid_version';
  /** Much more than the name of a version takes. */
  static readonly maxBytes = 4096;

  @ApiProperty(VERSION_SCHEMA)
  @Must((version) => typeof version === 'string' && isVersion(version), {
    message: 'Send { "version": "..." } with a version of the history.',
  })
  version!: string;
}

export class HistoryAnswer {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty({ ...VERSION_SCHEMA, nullable: true, description: 'null: there is no current picture.' })
  current!: string | null;

  @ApiProperty({ type: [VersionAnswer], description: 'Newest first.' })
  versions!: VersionAnswer[];

  @ApiPropertyOptional({
    ...INSTANT_SCHEMA,
    description: 'Nothing that was uploaded up to then comes back. Absent if the avatar was never erased.',
  })
  erasedAt?: string;
}
