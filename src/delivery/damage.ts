import { createHash } from 'node:crypto';
import type { Version } from '../avatars/manifest.js';
import type { RenditionFormat } from '../images/image-pipeline.js';
import { isWhole } from '../images/is-whole.js';

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
    const sum = createHash('sha256').update(bytes).digest('hex');
    return sum === version.sha256
      ? undefined
      : `Its SHA-256 is ${sum}, and its manifest says ${version.sha256}.`;
  }
  return isWhole(bytes, format) ? undefined : `Its ${bytes.length} bytes are no whole picture as ${format}.`;
}
