import { createHash } from 'node:crypto';

/**
 * The SHA-256 of bytes, or of the UTF-8 of a text.
 * @returns 64 lowercase hex digits
 */
export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
