import { ALIASES } from '../model/keys.js';
import { MANIFEST_ATTRIBUTES, attributes } from '../model/object-attributes.js';
import { parseRenditionName } from '../model/rendition.js';
import { sha256Hex } from '../model/sha256.js';
import type { ObjectStore, StoreOptions } from '../storage/object-store.js';
import { read, readUnlessDamaged } from './read-object.js';

export interface CopyOptions {
  /** Whether the destination has an object of that key. It is compared first. */
  present: boolean;
  dryRun: boolean;
}

/**
 * `gone`: the source has no such object; `damaged`: the object that was read back differs from the one that
 * was written.
 */
export type Copied =
  { result: 'gone' } | { result: 'same' | 'copied' | 'replaced' | 'damaged'; bytes: number };

/** Copies an object, reads it back, and compares the SHA-256 of both sides. */
export async function copyVerified(
  from: ObjectStore,
  to: ObjectStore,
  key: string,
  { present, dryRun }: CopyOptions,
): Promise<Copied> {
  const [ours, theirs] = await Promise.all([
    read(from, key),
    present ? readUnlessDamaged(to, key) : undefined,
  ]);
  if (!ours) return { result: 'gone' };
  const bytes = ours.bytes.length;
  if (theirs && theirs !== 'damaged' && sha256Hex(theirs.bytes) === sha256Hex(ours.bytes))
    return { result: 'same', bytes };
  if (!dryRun) {
    await to.store(key, ours.bytes, attributesOf(key));
    const written = await readUnlessDamaged(to, key);
    if (!written || written === 'damaged' || sha256Hex(written.bytes) !== sha256Hex(ours.bytes))
      return { result: 'damaged', bytes };
  }
  return { result: theirs ? 'replaced' : 'copied', bytes };
}

/**
 * The headers of an object for readers of the bucket: of an alias, a rendition, or an upload of an older
 * service.
 */
function attributesOf(key: string): StoreOptions {
  if (key.startsWith(ALIASES)) return MANIFEST_ATTRIBUTES;
  const rendition = parseRenditionName(key.slice(key.lastIndexOf('/') + 1));
  if (rendition) return attributes(rendition);
  const extension = key.slice(key.lastIndexOf('.') + 1).toLowerCase();
  return { contentType: `image/${extension === 'jpg' ? 'jpeg' : extension}` };
}
