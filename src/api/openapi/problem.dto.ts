import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ERROR_CODES, type ErrorCode } from '../../errors.js';
import { VERSION_SCHEMA } from './schemas.js';

/** The body of every error, as in RFC 9457. */
export class ProblemAnswer {
  @ApiProperty({ type: 'string', enum: ['about:blank'] })
  type!: string;

  @ApiProperty({ example: 'Unprocessable Entity', description: 'The name of the status.' })
  title!: string;

  @ApiProperty({ type: 'integer', minimum: 400, maximum: 599, example: 422 })
  status!: number;

  @ApiProperty({
    type: 'string',
    enum: ERROR_CODES,
    enumName: 'ErrorCode',
    description: 'Programs should go by this: a code keeps its meaning. New ones may be added.',
  })
  code!: ErrorCode;

  @ApiProperty({ description: 'What is wrong and what to do, for people. The words may change.' })
  detail!: string;

  @ApiPropertyOptional({ description: 'The parameter, field or header at fault.' })
  parameter?: string;

  @ApiPropertyOptional({
    ...VERSION_SCHEMA,
    nullable: true,
    description:
      'Of `precondition_failed` about a change: the version that is current, or null if there is none.',
  })
  current?: string | null;

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: { type: 'string', nullable: true },
    description:
      'With `alias_taken`: by hash, the id of the avatar that it stands for; null: one that the key is not for.',
  })
  taken?: Readonly<Record<string, string | null>>;

  @ApiPropertyOptional({ description: 'With `avatar_locked`: the reason, if one was given.' })
  reason?: string;

  @ApiProperty({ description: 'The `reqId` of the lines in the log. The same as the header X-Request-Id.' })
  requestId!: string;
}
