import type { Settings } from './settings.js';

/** Room for boundaries, headers and fields around a file. */
export const FORM_OVERHEAD_BYTES = 64 * 1024;

/**
 * How much of a body that nobody wants is read, in bytes: all of an upload, since many clients send it before
 * they look at the answer.
 */
export function mostUnread({ avatarMaxSizeBytes }: Settings): number {
  return avatarMaxSizeBytes + FORM_OVERHEAD_BYTES;
}
