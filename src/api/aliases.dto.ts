import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { CodedError } from '../errors.js';
import { hashEmail } from '../model/alias.js';
import { hashOf, listOf } from './body-lists.js';

const CODE = 'invalid_aliases';

/** E-mail addresses and hashes together. */
const MAX_ENTRIES = 50;

/** Enough for so many addresses of 254 characters (RFC 5321, section 4.5.3.1.3), all of them escaped. */
export const ALIASES_MAX_BYTES = 96 * 1024;

/** `\p{Cs}`: half of a surrogate pair, which has no UTF-8 to hash. */
const EMAIL = /^[^\s\p{Cc}\p{Cs}]+@[^\s\p{Cc}\p{Cs}]+$/u;
const EMAIL_CHARACTERS = 254;

/** What stands for an avatar from now on. */
export class AliasesBody {
  @ApiPropertyOptional({
    type: [String],
    maxItems: MAX_ENTRIES,
    description: 'Addresses, of which only the MD5 and SHA-256 are kept.',
  })
  emails?: string[];

  @ApiPropertyOptional({
    type: [String],
    maxItems: MAX_ENTRIES,
    description: 'MD5 or SHA-256 in hex of addresses, trimmed and lower-cased before.',
  })
  hashes?: string[];
}

export class AliasesAnswer {
  @ApiProperty()
  id!: string;

  @ApiProperty({ type: [String], description: 'Sorted.' })
  hashes!: readonly string[];
}

/** The hashes that a body `{ "emails": [...], "hashes": [...] }` means. @throws CodedError `invalid_aliases` */
export function aliasesOf(body: unknown): string[] {
  const { emails, hashes } = (body ?? {}) as { emails?: unknown; hashes?: unknown };
  if (emails === undefined && hashes === undefined) {
    throw invalid('hashes', 'Send { "emails": [...], "hashes": [...] }, or one of them.');
  }
  const addresses = listOf(emails, 'emails', CODE);
  const given = listOf(hashes, 'hashes', CODE);
  if (addresses.length + given.length > MAX_ENTRIES) {
    const parameter = addresses.length > MAX_ENTRIES ? 'emails' : 'hashes';
    throw invalid(parameter, `An avatar has at most ${MAX_ENTRIES} addresses and hashes together.`);
  }
  return [...addresses.flatMap(hashOfAddress), ...given.map((hash) => hashOf(hash, CODE))];
}

function hashOfAddress(address: unknown): string[] {
  const text = typeof address === 'string' ? address.trim() : '';
  if (text.length > EMAIL_CHARACTERS || !EMAIL.test(text)) {
    throw invalid('emails', 'One of the addresses is none.');
  }
  return hashEmail(text);
}

function invalid(parameter: string, detail: string): CodedError {
  return new CodedError(CODE, detail, { parameter });
}
