import { CodedError } from '../errors.js';
import { isWhole } from '../images/is-whole.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Version } from '../model/manifest.js';
import { sha256Hex } from '../model/sha256.js';

/**
 * Checks a picture that was read from the storage.
 * @param version whose master it is; undefined for renditions and unknown versions, which have no known
 * checksum
 * @returns what is wrong, as a sentence; undefined if nothing is
 */
export function damageOf(
  bytes: Buffer,
  format: RenditionFormat,
  version: Pick<Version, 'bytes' | 'sha256'> | undefined,
): string | undefined {
  if (version !== undefined && bytes.length !== version.bytes) {
    return `It has ${bytes.length} bytes, and its manifest says ${version.bytes}.`;
  }
  if (version?.sha256 !== undefined) {
    const sum = sha256Hex(bytes);
    return sum === version.sha256
      ? undefined
      : `Its SHA-256 is ${sum}, and its manifest says ${version.sha256}.`;
  }
  return isWhole(bytes, format)
    ? undefined
    : `Its ${bytes.length} bytes are not a complete ${format} picture.`;
}

/** The error for a damaged or lost master. @param damage what is wrong with it, as a sentence */
export function pictureUnreadable(key: string, damage: string): CodedError {
  const cause = new Error(
    `The master ${key} is damaged. ${damage} Restore the object from a backup, or upload the picture again.`,
  );
  const detail = 'The picture of this avatar is damaged. An operator has to restore it.';
  return new CodedError('picture_unreadable', detail, { cause });
}
