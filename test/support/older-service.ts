import { numbered } from './avatar-client.js';
import { openBackend } from './backends.js';
import type { Environment } from './service.js';

/** The name of an upload of the older service. */
export const LEGACY = '01900000-0000-7000-8000-000000000001';

/**
 * Leaves an upload as the older service did. In an empty store, do it before Visage starts: afterwards Visage looks for no such uploads.
 * @returns its key
 */
export async function leaveUpload(environment: Environment, id: string, version = LEGACY): Promise<string> {
  const key = `avatars/${id}/${version}.png`;
  await openBackend(environment).store(key, await numbered(1));
  return key;
}
