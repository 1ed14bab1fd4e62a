import { ApiProperty, ApiPropertyOptional, ApiSchema, type ApiSchemaOptions } from '@nestjs/swagger';
import { Constants } from '../../config/constants.js';
import { MASTER_FORMATS, type MasterFormat, REDUCTIONS, type Reduction } from '../../model/formats.js';
import {
  COLOR_SCHEMA,
  ID_SCHEMA,
  INSTANT_SCHEMA,
  THUMBHASH_SCHEMA,
  URLS_SCHEMA,
  VERSION_SCHEMA,
} from '../openapi/schemas.js';

const CONSTANTS = new Constants();

const COUNT = { type: 'integer' as const, minimum: 0 };

export class ExistsAnswer {
  @ApiProperty()
  exists!: boolean;
}

export class UrlAnswer {
  @ApiProperty({ type: 'string', format: 'uri' })
  url!: string;

  @ApiProperty(VERSION_SCHEMA)
  version!: string;

  @ApiProperty({
    ...INSTANT_SCHEMA,
    nullable: true,
    description:
      'When a presigned URL stops working: its signature ends, or the credentials expire. null: never.',
  })
  expiresAt!: string | null;
}

/** The facts of a version. */
export class VersionAnswer {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty(VERSION_SCHEMA)
  version!: string;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'The width of the master in px.' })
  width!: number;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'The height of the master in px.' })
  height!: number;

  @ApiProperty({ type: 'string', enum: MASTER_FORMATS, description: 'The format of the master.' })
  format!: MasterFormat;

  @ApiProperty({ type: 'integer', minimum: 1, description: 'The size of the master in bytes.' })
  bytes!: number;

  @ApiProperty()
  animated!: boolean;

  @ApiPropertyOptional({
    type: 'string',
    enum: REDUCTIONS,
    description: `What the master gave up to stay within ${CONSTANTS.avatarMasterMaxBytes / 2 ** 20} MiB. quality: it was encoded at a lower quality. still: only the first frame of an animation was kept. Absent: nothing.`,
  })
  reduced?: Reduction;

  @ApiProperty({
    ...THUMBHASH_SCHEMA,
    description: 'ThumbHash in Base64: a blurred picture to show while the real one loads.',
  })
  thumbhash!: string;

  @ApiProperty({ ...COLOR_SCHEMA, description: 'The dominant colour.' })
  color!: string;

  @ApiPropertyOptional({
    type: 'string',
    description: 'What the picture shows, in the words of its uploader.',
  })
  alt?: string;

  @ApiProperty(INSTANT_SCHEMA)
  uploadedAt!: string;

  @ApiProperty({
    ...URLS_SCHEMA,
    description:
      "Immutable URLs by each of AVATAR_SIZES in px, and `master`. For a size above the picture's own it is the URL of the largest there is.",
  })
  urls!: Record<string, string>;

  @ApiPropertyOptional({
    type: 'boolean',
    description: 'true: the bucket is away, and the version waits on this replica. Otherwise absent.',
  })
  pending?: true;
}

/** What the CDN was asked to forget. */
export class PurgedAnswer {
  @ApiProperty({
    description: `true: the CDN accepted the purge. false: it did not within ${CONSTANTS.cdnTimeoutMs / 1000} s, and is asked again in the background.`,
  })
  accepted!: boolean;

  @ApiPropertyOptional({
    type: [String],
    description: 'The tags that were purged, if the CDN purges by tag.',
  })
  tags?: readonly string[];

  @ApiPropertyOptional({
    type: [String],
    description:
      'The beginnings of the paths that were purged, if the CDN purges by path. `/avatar/-` is one hash of an e-mail address.',
  })
  paths?: readonly string[];
}

/** What `/info` tells of the current version, and of its avatar. */
export class InfoAnswer extends VersionAnswer {
  @ApiPropertyOptional({
    type: 'boolean',
    description: 'true: only keys with `admin` can change the picture. Absent otherwise.',
  })
  locked?: boolean;
}

/** What an erasure removed, of an avatar or of a version. */
export class ErasureAnswer {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty({
    ...COUNT,
    description:
      'How many objects were deleted: masters and renditions. If `pending` is true, only those that waited on this replica.',
  })
  objects!: number;

  @ApiProperty({ ...COUNT, description: 'How many bytes these objects had.' })
  bytes!: number;

  @ApiProperty({ description: 'true: the bucket is away. This replica clears it as soon as it is back.' })
  pending!: boolean;

  @ApiPropertyOptional({ type: PurgedAnswer, description: 'Absent unless CDN_PURGE is set.' })
  purged?: PurgedAnswer;
}

/** What 202 says of a deletion. That of an erasure has the rest of its receipt as well. */
@ApiSchema({ additionalProperties: true } as ApiSchemaOptions)
export class PendingAnswer {
  @ApiProperty({ description: 'true. An erasure has the other fields of its receipt as well.' })
  pending!: boolean;
}

/** What the erasure of an avatar removed. */
export class ReceiptAnswer extends ErasureAnswer {
  @ApiProperty({ ...INSTANT_SCHEMA, description: 'Nothing that was uploaded up to then comes back.' })
  erasedAt!: string;

  @ApiProperty({
    ...COUNT,
    description:
      'How many hashes of e-mail addresses no longer stand for the avatar. 0 if `pending` is true.',
  })
  aliases!: number;
}
