import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import { TEXT_CHARACTERS, isShortText } from '../../model/manifest-format.js';
import { ID_SCHEMA, INSTANT_SCHEMA } from '../openapi/schemas.js';
import { Must, NoOtherFields, OptionalField } from '../rules.js';

const REASON = `reason has to be at most ${TEXT_CHARACTERS} characters without control characters, and only goes with locked: true.`;

/** Whether an avatar is to be locked. */
@NoOtherFields()
export class LockBody {
  static readonly code = 'invalid_lock';
  /** Enough for the longest reason, with every character escaped, and white space around it. */
  static readonly maxBytes = 8192;

  @ApiProperty({ type: 'boolean' })
  @IsBoolean({ message: 'Send { "locked": true, "reason": "..." } or { "locked": false }.' })
  locked!: boolean;

  @OptionalField({
    type: 'string',
    nullable: true,
    maxLength: TEXT_CHARACTERS,
    description:
      'Why it is locked, for the person whose avatar it is: whoever is refused a change is told. White space around it is removed. Only with `locked: true`.',
    example: 'It comes from the company directory.',
  })
  @Must(
    (reason, { locked }: LockBody) =>
      reason === null || (locked && typeof reason === 'string' && isShortText(reason.trim())),
    {
      message: REASON,
    },
  )
  reason?: string | null;
}

/** Whether an avatar is locked. */
export class LockFacts {
  @ApiProperty()
  locked!: boolean;

  @ApiPropertyOptional({ type: 'string', description: 'Absent if none was given.' })
  reason?: string;

  @ApiPropertyOptional({
    ...INSTANT_SCHEMA,
    description: 'When it was locked or unlocked. Absent if it never was locked.',
  })
  at?: string;
}

export class LockAnswer extends LockFacts {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiPropertyOptional({ type: 'boolean', description: 'true with 202. Absent otherwise.' })
  pending?: boolean;
}
