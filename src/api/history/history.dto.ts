import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { type By, CREDENTIALS } from '../../model/access.js';
import { TEXT_CHARACTERS, isShortText } from '../../model/manifest-format.js';
import { ErasureAnswer, VersionAnswer } from '../avatars/avatars.dto.js';
import { LockFacts } from '../lock/lock.dto.js';
import { ALT_SCHEMA, ID_SCHEMA, INSTANT_SCHEMA, VERSION_SCHEMA } from '../openapi/schemas.js';
import { IsVersion, Must, NoOtherFields, OptionalField } from '../rules.js';

/** The version to make current. */
@NoOtherFields()
export class RestoreBody {
  static readonly code = 'invalid_version';
  /** Much more than the name of a version takes. */
  static readonly maxBytes = 4096;

  @ApiProperty(VERSION_SCHEMA)
  @IsVersion('Send { "version": "..." } with a version of the history.')
  version!: string;
}

/** What a version shows. */
@NoOtherFields()
export class AltBody {
  static readonly code = 'invalid_alt';
  /** Enough for the longest text, with every character escaped, and white space around it. */
  static readonly maxBytes = 8192;

  @ApiProperty({
    ...ALT_SCHEMA,
    nullable: true,
    description:
      'What the picture shows, for people who cannot see it. White space around it is removed. null, or an empty text: nothing is said.',
  })
  @Must((alt) => alt === null || (typeof alt === 'string' && isShortText(alt.trim())), {
    message: `Send { "alt": ... } with at most ${TEXT_CHARACTERS} characters without control characters, or null.`,
  })
  alt!: string | null;

  @OptionalField({
    ...VERSION_SCHEMA,
    description: 'A version of the history. By default the current one.',
  })
  @IsVersion(
    'version has to be the name of a version. Take it from /versions, or leave it out for the current one.',
  )
  version?: string;
}

/** Who uploaded a version. */
class ByAnswer implements By {
  @ApiProperty({ type: 'string', enum: CREDENTIALS })
  kind!: By['kind'];

  @ApiProperty({ example: 'app', description: 'Of a key: its name in API_KEYS.' })
  name!: string;
}

class HistoryVersion extends VersionAnswer {
  @ApiPropertyOptional({
    type: ByAnswer,
    description: 'Who uploaded it, for callers with `admin`. Absent if no keys were set then.',
  })
  by?: By;
}

export class HistoryAnswer {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty({ ...VERSION_SCHEMA, nullable: true, description: 'null: there is no current picture.' })
  current!: string | null;

  @ApiPropertyOptional({
    ...VERSION_SCHEMA,
    description:
      'The version that the last DELETE hid: make it current to undo that. Absent if there is a current picture, or nothing to restore.',
  })
  hidden?: string;

  @ApiProperty({ type: [HistoryVersion], description: 'Newest first.' })
  versions!: HistoryVersion[];

  @ApiPropertyOptional({
    ...INSTANT_SCHEMA,
    description: 'Nothing that was uploaded up to then comes back. Absent if the avatar was never erased.',
  })
  erasedAt?: string;

  @ApiPropertyOptional({ type: LockFacts, description: 'Absent unless the avatar is locked.' })
  lock?: LockFacts;
}

/** What the erasure of a version removed. */
export class VersionReceiptAnswer extends ErasureAnswer {
  @ApiProperty(VERSION_SCHEMA)
  version!: string;

  @ApiProperty({ ...INSTANT_SCHEMA, description: 'When the version was erased first.' })
  erasedAt!: string;
}
