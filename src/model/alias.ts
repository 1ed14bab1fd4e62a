import { createHash } from 'node:crypto';
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
 * The hashes that stand for an e-mail address, as Gravatar and Libravatar compute them: MD5 and SHA-256 in hex of the trimmed, lower-cased
 * address.
 */
export function hashEmail(email: string): string[] {
  const text = email.trim().toLowerCase();
  return ['md5', 'sha256'].map((algorithm) => createHash(algorithm).update(text).digest('hex'));
}

/** The id that an alias object points at. @returns undefined if there is no object, or it is not an alias */
export function targetOf(object: { bytes: Buffer } | undefined): string | undefined {
  const id = object && parse(object)?.id;
  return typeof id === 'string' && isId(id) ? id : undefined;
}

/**
 * Writes an alias.
 * @param id undefined: the alias of nobody, which takes the place of one that is removed
 * @param write differs for each write, so that no two have the same etag: an attempt that arrives late must not replace a later write
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
