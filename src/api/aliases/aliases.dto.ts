import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, ValidateIf } from 'class-validator';
import { ANY_CASE_HASH_SCHEMA, HASH_SCHEMA, ID_SCHEMA } from '../openapi/schemas.js';
import { EachIsHash, Must, NoOtherFields, OptionalField, lengthOf } from '../rules.js';

/** Addresses and hashes together. */
const MAX_ENTRIES = 50;
const TOO_MANY = `An avatar has at most ${MAX_ENTRIES} addresses and hashes together. Send fewer.`;

/**
 * `\p{Cs}`: half of a surrogate pair, which has no UTF-8 to hash. `\p{Cf}`, `\p{DI}`: invisible, so nobody
 * would type it who hashes the address.
 */
const TEXT = '[^\\s\\p{Cc}\\p{Cf}\\p{DI}\\p{Cs}@]+';
/** A name in quotes may have an @ (RFC 5321, section 4.1.2). */
const LOCAL_PART = `(?:"[^\\s\\p{Cc}\\p{Cf}\\p{DI}\\p{Cs}]+"|${TEXT})`;
/** RFC 5321, section 4.5.3.1.3. */
const ADDRESS_CHARACTERS = 254;
const ADDRESS = new RegExp(`^(?=.{3,${ADDRESS_CHARACTERS}}$)${LOCAL_PART}@${TEXT}$`, 'u');

/** The e-mail addresses that stand for an avatar from now on. */
@NoOtherFields({ minProperties: 1 })
export class AliasesBody {
  static readonly code = 'invalid_aliases';
  /** Enough for the most and longest addresses, with every character escaped. */
  static readonly maxBytes = 96 * 1024;

  @OptionalField({
    type: 'array',
    items: {
      type: 'string',
      // Without the invisible characters: \p{...} means something else to many generators, or nothing.
      pattern:
        '^\\s*(?:\\x22[^\\s\\x00-\\x1f\\x7f-\\x9f]+\\x22|[^\\s\\x00-\\x1f\\x7f-\\x9f@]+)@[^\\s\\x00-\\x1f\\x7f-\\x9f@]+\\s*$',
      maxLength: ADDRESS_CHARACTERS,
      example: 'alice@example.com',
    },
    maxItems: MAX_ENTRIES,
    description:
      'E-mail addresses without invisible characters. Visage trims and lower-cases them, and keeps only their MD5 and SHA-256, or with ALIAS_KEY their HMAC-SHA256; also of the NFC of an address and of both names of an international domain. White space around an address does not count towards its length.',
  })
  @Must(isAddress, {
    each: true,
    message:
      'One of the emails is not an e-mail address, or has a space or an invisible character in it. Correct or remove it.',
  })
  @ArrayMaxSize(MAX_ENTRIES, { message: TOO_MANY })
  @IsArray({ message: 'emails has to be a list of e-mail addresses.' })
  emails?: string[];

  @ApiPropertyOptional({
    type: 'array',
    items: ANY_CASE_HASH_SCHEMA,
    maxItems: MAX_ENTRIES,
    description:
      'MD5 or SHA-256 in hex of addresses that were trimmed and lower-cased before; with ALIAS_KEY their HMAC-SHA256.',
  })
  @EachIsHash()
  @Must((hashes, { emails }: AliasesBody) => lengthOf(emails) + lengthOf(hashes) <= MAX_ENTRIES, {
    message: TOO_MANY,
  })
  @IsArray({ message: 'Send { "emails": [...], "hashes": [...] }, or one of the two lists.' })
  @ValidateIf((body: AliasesBody) => body.hashes !== undefined || body.emails === undefined)
  hashes?: string[];
}

export class AliasesAnswer {
  @ApiProperty(ID_SCHEMA)
  id!: string;

  @ApiProperty({ type: 'array', items: HASH_SCHEMA, description: 'Sorted.' })
  hashes!: readonly string[];
}

export class AliasesChange extends AliasesAnswer {
  @ApiProperty({
    type: 'object',
    additionalProperties: ID_SCHEMA,
    description: 'By hash, the id of the avatar that it stood for until now, if that was another one.',
  })
  takenFrom!: Readonly<Record<string, string>>;
}

function isAddress(value: unknown): boolean {
  return typeof value === 'string' && ADDRESS.test(value.trim());
}
