import { manifestKey } from '../avatars/keys.js';
import { type Manifest, emptyManifest, readManifest } from '../avatars/manifest.js';
import type { ObjectStore } from '../storage/object-store.js';
import type { Finding } from './command.js';
import { read } from './verified-copy.js';

/** Nothing of an avatar whose manifest cannot be read is garbage. */
export class Unreadable extends Error {
  readonly finding: Finding;

  constructor(id: string, cause: unknown) {
    super((cause as Error).message, { cause });
    this.finding = { code: 'manifest_unreadable', where: manifestKey(id), message: this.message };
  }
}

/** The manifest of an avatar; an empty one where there is none. @throws Unreadable */
export async function manifestOf(store: ObjectStore, id: string): Promise<Manifest> {
  const object = await read(store, manifestKey(id));
  if (!object) return emptyManifest(id);
  try {
    return readManifest(id, object.bytes);
  } catch (error) {
    throw new Unreadable(id, error);
  }
}
