import { CodedError } from '../../errors.js';
import type { AliasNames } from '../../model/alias-names.js';
import type { AliasesBody } from './aliases.dto.js';

const UNKEYED = [
  'invalid_aliases',
  'One of the hashes is an MD5. This service has an ALIAS_KEY, so a hash is the HMAC-SHA256 of an address by that key, in 64 hex digits. ' +
    'Compute it, or send the address under emails.',
  { parameter: 'hashes' },
] as const;

/**
 * The hashes that a body names, and those of its addresses.
 * @param body that was checked
 * @throws CodedError `invalid_aliases` for a hash that can stand for nobody
 */
export function givenHashes({ emails = [], hashes = [] }: AliasesBody, names: AliasNames): string[] {
  const given = hashes.map((hash) => hash.toLowerCase());
  if (given.some((hash) => names.nameOf(hash) === undefined)) throw new CodedError(...UNKEYED);
  return [...emails.flatMap((email) => names.hashEmail(email)), ...given];
}
