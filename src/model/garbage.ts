import { prefixOf, timeOfVersion, versionOf } from './keys.js';
import { type Manifest, isErased } from './manifest.js';

/** An object in a listing of the store. */
export interface Listed {
  key: string;
  modifiedAt: Date;
}

export interface GarbageRules {
  /** In ms since 1970. */
  now: number;
  /** How long pictures are kept that the manifest does not name, in ms. */
  graceMs: number;
  /** Versions kept in a manifest. */
  history: number;
}

/**
 * Finds the objects of an avatar that may be deleted. Pure. Garbage stays garbage, so it may be deleted at
 * any later time.
 *
 * - Erased version: all its objects, at once.
 * - Version that the manifest does not name: all its objects, once its newest object is older than the grace
 *   period, and so is the upload that pushed it out of the history. Until then it may be an upload under way,
 *   or an older page may still show it.
 * - Object of an older service (`avatars/<id>/<version>.<ext>`): only if its version is erased. Otherwise it
 *   is not ours to delete.
 *
 * @param objects all that is stored under the avatar's prefix
 * @returns keys
 */
export function collectable(
  objects: readonly Listed[],
  manifest: Manifest,
  { now, graceMs, history }: GarbageRules,
): string[] {
  const groups = byVersion(objects);
  // Erased versions keep their place in the history.
  const alone = manifest.erased?.map(({ version }) => version) ?? [];
  const versions = [...new Set([...groups.keys(), ...alone])].sort().reverse();
  const needed = new Set(manifest.versions.map(({ version }) => version));
  return versions.flatMap((version, rank) => {
    const group = groups.get(version) ?? [];
    if (isErased(manifest, version)) return group.map(({ key }) => key);
    if (needed.has(version)) return [];
    const successor = rank < history ? undefined : versions[rank - history];
    const since = Math.max(
      ...group.map(({ modifiedAt }) => modifiedAt.getTime()),
      successor === undefined ? 0 : timeOfVersion(successor),
    );
    if (now - since <= graceMs) return [];
    const folder = `${prefixOf(manifest.id)}${version}/`;
    return group.map(({ key }) => key).filter((key) => key.startsWith(folder));
  });
}

function byVersion(objects: readonly Listed[]): Map<string, Listed[]> {
  const groups = new Map<string, Listed[]>();
  for (const object of objects) {
    const version = versionOf(object.key);
    if (version !== undefined) groups.set(version, [...(groups.get(version) ?? []), object]);
  }
  return groups;
}
