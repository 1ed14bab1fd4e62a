import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, IsArray } from 'class-validator';
import { ERROR_CODES, type ErrorCode } from '../../errors.js';
import { HASH_SCHEMA, ID_SCHEMA } from '../openapi/schemas.js';
import { Must, NoOtherFields } from '../rules.js';

const MAX_AVATARS = 1000;
const SHAPE = `Send { "avatars": [{ "id": "...", "emails": [...], "hashes": [...] }, ...] } with 1 to ${MAX_AVATARS} avatars.`;

const TEXTS = { type: [String] as [typeof String] };

/** The addresses of an avatar, as the body has them. */
@NoOtherFields()
export class BatchEntry {
  @ApiProperty({ type: 'string' })
  id!: string;

  @ApiPropertyOptional(TEXTS)
  emails?: string[];

  @ApiPropertyOptional(TEXTS)
  hashes?: string[];
}

/** The e-mail addresses of many avatars. */
@NoOtherFields()
export class BatchBody {
  static readonly code = 'invalid_aliases';
  /** A thousand characters for each of the most avatars: some ten addresses. */
  static readonly maxBytes = 1024 * 1024;

  @ApiProperty({
    type: [BatchEntry],
    minItems: 1,
    maxItems: MAX_AVATARS,
    description:
      'Each as in a call for one avatar. What is wrong with one is in its result, and does not keep the others from being changed.',
  })
  @Must(isEntry, { each: true, message: SHAPE })
  @ArrayMinSize(1, { message: SHAPE })
  @ArrayMaxSize(MAX_AVATARS, { message: SHAPE })
  @IsArray({ message: SHAPE })
  avatars!: BatchEntry[];
}

/** Why an avatar kept the addresses that it had. */
export class BatchProblem {
  @ApiProperty({ type: 'string', enum: ERROR_CODES, enumName: 'ErrorCode', description: 'As in a problem.' })
  code!: ErrorCode;

  @ApiProperty()
  detail!: string;

  @ApiPropertyOptional()
  parameter?: string;

  @ApiPropertyOptional({ type: 'object', additionalProperties: { ...ID_SCHEMA, nullable: true } })
  taken?: Readonly<Record<string, string | null>>;
}

@ApiExtraModels(BatchProblem)
export class BatchResult {
  @ApiProperty({ type: 'string', description: 'As it was sent.' })
  id!: string;

  @ApiProperty({
    type: 'integer',
    minimum: 200,
    maximum: 599,
    description: '200, or the status that a call for this avatar alone would have been refused with.',
  })
  status!: number;

  @ApiPropertyOptional({ type: 'array', items: HASH_SCHEMA, description: 'With 200: sorted.' })
  hashes?: readonly string[];

  @ApiPropertyOptional({
    type: 'object',
    additionalProperties: ID_SCHEMA,
    description: 'With 200: by hash, the id of the avatar that it stood for until now.',
  })
  takenFrom?: Readonly<Record<string, string>>;

  @ApiPropertyOptional({ allOf: [{ $ref: getSchemaPath(BatchProblem) }], description: 'Unless it is 200.' })
  error?: BatchProblem;
}

export class BatchAnswer {
  @ApiProperty({ type: [BatchResult], description: 'In the order of the request.' })
  avatars!: BatchResult[];
}

function isEntry(entry: unknown): boolean {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) return false;
  const has = (name: string) =>
    Object.hasOwn(entry, name) ? (entry as Record<string, unknown>)[name] : undefined;
  return typeof has('id') === 'string' && isTexts(has('emails')) && isTexts(has('hashes'));
}

function isTexts(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.every((one) => typeof one === 'string'));
}
