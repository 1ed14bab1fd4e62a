import type { Crop, MasterFormat } from '../images/image-pipeline.js';
import { timeOfVersion } from './keys.js';

/** A point in time as ISO 8601 in UTC with milliseconds: sorts as text. */
export type Instant = string;

/** One accepted upload; immutable. */
export interface Version {
  /** UUIDv7. */
  version: string;
  /** SHA-256 of the uploaded bytes, in hex. */
  source: string;
  crop?: Crop;
  master: MasterFormat;
  /** In px, both. */
  width: number;
  height: number;
  animated: boolean;
  /** Of the master. */
  bytes: number;
  /** Of the master, in hex; versions of the first releases have none. */
  sha256?: string;
  thumbhash: string;
  color: string;
  /** Also the time in `version`. */
  uploadedAt: Instant;
}

/** Which versions an avatar has, and which is current. The only mutable object. */
export interface Manifest {
  schema: 1;
  id: string;
  current: string | null;
  /**
   * Newest first: the newest of the history limit, and the current one where it is older than all of these.
   */
  versions: Version[];
  /** What `current` was last set to, and when: intents that arrive late are weighed against it. */
  head?: { at: Instant; version: string | null };
  /** Nothing that was uploaded up to then comes back. */
  erasedAt?: Instant;
}

/** A wish to change an avatar. A restore carries its version whole, so that it means the same at any time. */
export type Intent = Publish | Restore | { type: 'remove' | 'erase'; at: Instant };

export interface Publish {
  type: 'publish';
  at: Instant;
  version: Version;
}

export interface Restore {
  type: 'restore';
  at: Instant;
  version: Version;
}

export function emptyManifest(id: string): Manifest {
  return { schema: 1, id, current: null, versions: [] };
}

/**
 * The manifest after an intent. Pure, and the same whatever the order and however often intents of different times
 * arrive: the later `at` decides what is current, ties by version; nothing uploaded up to an erasure comes back.
 * @param history how many versions to keep
 */
export function apply(manifest: Manifest, intent: Intent, history: number): Manifest {
  const erasedAt = intent.type === 'erase' ? latest(manifest.erasedAt, intent.at) : manifest.erasedAt;
  const arriving = 'version' in intent ? [intent.version] : [];
  const head = laterHead(manifest.head, { at: intent.at, version: arriving[0]?.version ?? null });
  return consistent(manifest.id, [...arriving, ...manifest.versions], head, erasedAt, history);
}

/** One manifest of the same avatar out of two: the same as if the intents of both had arrived at either. Pure. */
export function merge(a: Manifest, b: Manifest, history: number): Manifest {
  const head = b.head === undefined ? a.head : laterHead(a.head, b.head);
  return consistent(a.id, [...a.versions, ...b.versions], head, latest(a.erasedAt, b.erasedAt), history);
}

/** @param versions in any order; of two with one name, the first counts */
function consistent(
  id: string,
  versions: readonly Version[],
  head: Manifest['head'],
  erasedAt: Instant | undefined,
  history: number,
): Manifest {
  const kept = [...new Map([...versions].reverse().map((one) => [one.version, one])).values()]
    .filter(({ uploadedAt }) => erasedAt === undefined || uploadedAt > erasedAt)
    .sort(newestFirst)
    .filter(({ version }, index) => index < history || version === head?.version);
  const current = kept.find(({ version }) => version === head?.version)?.version ?? null;
  return {
    schema: 1,
    id,
    current,
    versions: kept,
    ...(head && { head }),
    ...(erasedAt !== undefined && { erasedAt }),
  };
}

/** The version that is shown, if any. */
export function currentVersion(manifest: Manifest): Version | undefined {
  return manifest.versions.find(({ version }) => version === manifest.current);
}

/** Whether an erasure took a version away, or would have: it is never shown again. */
export function isErased({ erasedAt }: Manifest, version: string): boolean {
  return erasedAt !== undefined && timeOfVersion(version) <= Date.parse(erasedAt);
}

/** Whether nothing was ever done to the avatar: the store has no manifest of it. */
export function isUntouched({ head, erasedAt }: Manifest): boolean {
  return head === undefined && erasedAt === undefined;
}

/**
 * The time of an intent that was born in the knowledge of this manifest: now, and later than everything in it even where
 * another replica's clock is ahead of ours.
 */
export function instantAfter(manifest: Manifest, now: Date): Instant {
  const known = [manifest.head?.at, manifest.erasedAt, manifest.versions[0]?.uploadedAt].reduce(latest);
  const after = known === undefined ? 0 : Date.parse(known) + 1;
  return new Date(Math.max(now.getTime(), after)).toISOString();
}

export function writeManifest(manifest: Manifest): Buffer {
  return Buffer.from(JSON.stringify(manifest));
}

/** @throws Error where the bytes are not a manifest, or one of a schema that this service does not know */
export function readManifest(id: string, bytes: Buffer): Manifest {
  const manifest = JSON.parse(bytes.toString()) as Partial<Manifest> | null;
  if (manifest?.schema !== 1 || manifest.id !== id || !Array.isArray(manifest.versions)) {
    throw new Error(`not a manifest of schema 1 of the avatar ${id}`);
  }
  return manifest as Manifest;
}

function laterHead(a: Manifest['head'], b: NonNullable<Manifest['head']>): NonNullable<Manifest['head']> {
  if (a === undefined) return b;
  const rank = ({ at, version }: typeof b) => `${at} ${version ?? ''}`;
  return rank(a) >= rank(b) ? a : b;
}

function latest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return (a ?? '') >= (b ?? '') ? a : b;
}

function newestFirst(a: Version, b: Version): number {
  return `${a.uploadedAt} ${a.version}` < `${b.uploadedAt} ${b.version}` ? 1 : -1;
}
