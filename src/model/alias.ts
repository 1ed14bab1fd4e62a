import { createHash } from 'node:crypto';
import { domainToASCII, domainToUnicode } from 'node:url';
import { isId } from './keys.js';
import type { Manifest } from './manifest.js';

/** Whether an avatar lists an alias. @param name as `isAliasName` accepts it */
export function listsAlias(manifest: Manifest | undefined, name: string): boolean {
  return manifest?.aliases?.hashes.includes(name) ?? false;
}

/** The names of the aliases that an avatar lists, sorted. */
export function aliasesOf({ aliases }: Manifest): readonly string[] {
  return aliases?.hashes ?? [];
}

/**
 * The texts that clients hash for an e-mail address, trimmed and lower-cased as Gravatar and Libravatar want
 * it. A letter with an accent can be one character or two (Unicode Standard Annex 15), and a domain with such
 * letters has a name in ASCII, too (RFC 5890): those are the same address.
 * @returns one text for most addresses, at most three
 */
export function spellingsOf(email: string): string[] {
  const given = email.trim().toLowerCase();
  const composed = given.normalize('NFC');
  const domainAt = composed.lastIndexOf('@') + 1;
  const other = otherNameOf(composed.slice(domainAt));
  return [...new Set([given, composed, ...(other ? [composed.slice(0, domainAt) + other] : [])])];
}

/**
 * The name in ASCII of an international domain, or the other way round. Both functions read a domain as the
 * host of a URL: they cut off what follows a `/`, decode escapes, and map letters to others. So they are
 * believed only if one undoes the other; otherwise somebody could register the address of somebody else.
 */
function otherNameOf(domain: string): string | undefined {
  const [ascii, unicode] = [domainToASCII(domain), domainToUnicode(domain)];
  if (ascii !== domain) return domainToUnicode(ascii) === domain ? ascii : undefined;
  return unicode !== domain && domainToASCII(unicode) === domain ? unicode : undefined;
}

/**
 * The hashes that stand for an e-mail address, as Gravatar and Libravatar compute them: MD5 and SHA-256 in
 * hex of its spellings.
 */
export function hashEmail(email: string): string[] {
  return spellingsOf(email).flatMap((text) =>
    ['md5', 'sha256'].map((algorithm) => createHash(algorithm).update(text).digest('hex')),
  );
}

/** The id that an alias object points at. @returns undefined if there is no object, or it is not an alias */
export function targetOf(object: { bytes: Buffer } | undefined): string | undefined {
  const id = object && parse(object)?.id;
  return typeof id === 'string' && isId(id) ? id : undefined;
}

/**
 * Writes an alias.
 * @param id undefined: the alias of nobody, which takes the place of one that is removed
 * @param write differs for each write, so that no two have the same etag: an attempt that arrives late must
 * not replace a later write
 */
export function writeAlias(id: string | undefined, write?: string): Buffer {
  return Buffer.from(JSON.stringify({ schema: 1, id: id ?? null, write }));
}

/** Whether an object is the alias of nobody. */
export function isNoAlias(object: { bytes: Buffer }): boolean {
  return parse(object)?.id === null;
}

/** @returns undefined unless the object has the schema of aliases */
function parse({ bytes }: { bytes: Buffer }): { id?: unknown } | undefined {
  try {
    const alias = JSON.parse(bytes.toString()) as { schema?: unknown; id?: unknown } | null;
    return alias?.schema === 1 ? alias : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
