import type { By } from './access.js';
import type { Crop, MasterFormat, Reduction, Rotation } from './formats.js';
import { encodeId, timeOfVersion } from './keys.js';

/** A point in time as ISO 8601 in UTC with milliseconds: sorts as text. */
export type Instant = string;

/** One accepted upload. Only its description may change: `alt` and `describedAt`. */
export interface Version {
  /** UUIDv7. */
  version: string;
  /** SHA-256 of the uploaded bytes, in hex. */
  source: string;
  rotate?: Rotation;
  crop?: Crop;
  master: MasterFormat;
  /** In px, both. */
  width: number;
  height: number;
  animated: boolean;
  /**
   * What the master gave up to stay within its limit of bytes. The picture does not show it, so it is kept
   * here.
   */
  reduced?: Reduction;
  /** Of the master. */
  bytes: number;
  /** Of the master, in hex; versions of the first releases have none. */
  sha256?: string;
  thumbhash: string;
  color: string;
  /** What the picture shows, in the uploader's words, for people who cannot see it. */
  alt?: string;
  /**
   * When `alt` was last changed, if it was since the upload. Descriptions that arrive late are compared with
   * it.
   */
  describedAt?: Instant;
  /** Who uploaded it; absent if no keys were set, and in versions of earlier releases. */
  by?: By;
  /** The time in `version`; versions of the first releases may be some ms off. */
  uploadedAt: Instant;
}

/** A change of what is current. */
export interface Head {
  at: Instant;
  version: string | null;
}

export type ShownHead = Head & { version: string };

/** A version that was erased on its own, and when. */
export interface ErasedVersion {
  version: string;
  at: Instant;
}

/** Whether only callers with `admin` may change which picture is shown, and why. */
export interface Lock {
  at: Instant;
  locked: boolean;
  /** For the person whose avatar it is. */
  reason?: string;
}

/** Which versions an avatar has, and which is current. The only mutable object. */
export interface Manifest {
  schema: 1;
  id: string;
  current: string | null;
  /**
   * Newest first: as many as the history limit allows, and the current or hidden one if it is older than
   * these.
   */
  versions: Version[];
  /** The last change of `current`, and its time. Intents that arrive late are compared with it. */
  head?: Head;
  /**
   * While nothing is shown since it was removed: the last change of `current` to a version, which may have
   * been erased since.
   */
  hidden?: ShownHead;
  /** Versions that never come back, the last erased ones first. What `erasedAt` covers is not among them. */
  erased?: readonly ErasedVersion[];
  /** Nothing that was uploaded or registered up to then comes back. */
  erasedAt?: Instant;
  /**
   * Like `erasedAt`, but later, if the erasure was repeated: an upload that another replica accepted in
   * between and still has in its outbox must not come back.
   */
  voidUntil?: Instant;
  /**
   * The names of the aliases that stand for the avatar, sorted, and when they were registered: see
   * `AliasNames`.
   */
  aliases?: { at: Instant; hashes: readonly string[] };
  /** Set last; absent if it never was, or was before the last erasure. */
  lock?: Lock;
}

export function emptyManifest(id: string): Manifest {
  return { schema: 1, id, current: null, versions: [] };
}

/** The version that is shown, if any. */
export function currentVersion(manifest: Manifest): Version | undefined {
  return versionNamed(manifest, manifest.current);
}

/** @returns undefined if the history has no version of that name */
export function versionNamed({ versions }: Manifest, name: string | null): Version | undefined {
  return versions.find(({ version }) => version === name);
}

/** A version with another description. @param alt undefined: none */
export function described(version: Version, alt: string | undefined, at: Instant): Version {
  const changed = { ...version, describedAt: at };
  if (alt === undefined) delete changed.alt;
  else changed.alt = alt;
  return changed;
}

/** The version that is hidden since the picture was removed, if any: it can be restored. */
export function hiddenVersion(manifest: Manifest): Version | undefined {
  return versionNamed(manifest, manifest.hidden?.version ?? null);
}

/** Whether a version was erased, alone or with its avatar. It is never shown again. */
export function isErased(manifest: Manifest, version: string): boolean {
  const end = endOfErased(manifest);
  if (end !== undefined && timeOfVersion(version) <= Date.parse(end)) return true;
  return isErasedAlone(manifest, version);
}

/** Whether a version was erased on its own. */
export function isErasedAlone({ erased }: Manifest, version: string): boolean {
  return erased?.some((one) => one.version === version) ?? false;
}

/** When the versions of a manifest were uploaded, in ms since 1970, the latest first: also of erased ones. */
export function uploadTimes({ versions, erased = [] }: Manifest): number[] {
  const kept = versions.map(({ uploadedAt }) => Date.parse(uploadedAt));
  const gone = erased.map(({ version }) => timeOfVersion(version));
  return [...kept, ...gone].sort((a, b) => b - a);
}

/** The instant up to which nothing comes back. @returns undefined if the avatar was never erased */
export function endOfErased({ erasedAt, voidUntil }: Manifest): Instant | undefined {
  return latest(erasedAt, voidUntil);
}

/**
 * Whether an avatar gets what the older service left of it: nothing was ever done to its pictures, and keys
 * have its id as it is, since that service did not encode ids.
 */
export function mayAdopt({ id, head, erasedAt }: Manifest): boolean {
  return head === undefined && erasedAt === undefined && encodeId(id) === id;
}

/**
 * The time for a new intent that builds on this manifest: now, or just after everything in the manifest if
 * another replica's clock is ahead of ours.
 */
export function instantAfter(manifest: Manifest, now: Date): Instant {
  const { head, versions, aliases, erased, lock } = manifest;
  const { uploadedAt } = versions[0] ?? {};
  const descriptions = versions.map(({ describedAt }) => describedAt);
  const erasures = [endOfErased(manifest), erased?.[0]?.at];
  const known = [head?.at, uploadedAt, aliases?.at, lock?.at, ...erasures, ...descriptions].reduce(latest);
  const after = known === undefined ? 0 : Date.parse(known) + 1;
  return new Date(Math.max(now.getTime(), after)).toISOString();
}

/** The later one. */
export function latest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return (a ?? '') >= (b ?? '') ? a : b;
}
