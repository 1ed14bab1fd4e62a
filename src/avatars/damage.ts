import { CodedError } from '../errors.js';
import { isWhole } from '../images/is-whole.js';
import type { RenditionFormat } from '../model/formats.js';
import type { Version } from '../model/manifest.js';
import { sha256Hex } from '../model/sha256.js';

/**
 * What is wrong with a picture that was read from the storage, as a sentence.
 * @param version whose master it is; undefined: of a rendition, or of a version that nobody knows any more, no checksum is known
 * @returns undefined if nothing is
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
  return isWhole(bytes, format) ? undefined : `Its ${bytes.length} bytes are no whole picture as ${format}.`;
}

/** @param damage what is wrong with the master, as a sentence */
export function pictureUnreadable(key: string, damage: string): CodedError {
  const cause = new Error(
    `The master ${key} is damaged. ${damage} Restore the object from a backup, or upload the picture again.`,
  );
  const detail = 'The picture of this avatar is damaged. An operator has to restore it.';
  return new CodedError('picture_unreadable', detail, { cause });
}
