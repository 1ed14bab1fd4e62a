import type { Crop, MasterFormat, Reduction } from './formats.js';
import { encodeId, timeOfVersion } from './keys.js';

/** A point in time as ISO 8601 in UTC with milliseconds: sorts as text. */
export type Instant = string;

/** One accepted upload. Only its description may change: `alt` and `describedAt`. */
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
  /** The time in `version`; versions of the first releases may be some ms off. */
  uploadedAt: Instant;
}

/** Which versions an avatar has, and which is current. The only mutable object. */
export interface Manifest {
  schema: 1;
  id: string;
  current: string | null;
  /** Newest first: as many as the history limit allows, and the current one if it is older than these. */
  versions: Version[];
  /** The last change of `current`, and its time. Intents that arrive late are compared with it. */
  head?: { at: Instant; version: string | null };
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
}

/**
 * A requested change of an avatar. A restore and a describe carry their whole version, so they mean the same
 * at any time.
 */
export type Intent = PictureIntent | Alias;

/** Intents that may wait in the outbox. */
export type PictureIntent = Publish | Restore | Describe | Remove | Erase;

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

/** Says what a version shows, and leaves open whether it is current. */
export interface Describe {
  type: 'describe';
  at: Instant;
  /** With its new `alt`, and `at` as `describedAt`: see `described`. */
  version: Version;
}

/** Leaves the avatar without a current picture. */
export interface Remove {
  type: 'remove';
  at: Instant;
}

/** Erases for good all that was there up to then. */
export interface Erase {
  type: 'erase';
  at: Instant;
  /**
   * The time of an earlier erasure, if nothing new has come since then; undefined: there was none, or
   * something new came.
   */
  confirms?: Instant;
}

/** Replaces all aliases of the avatar. */
export interface Alias {
  type: 'alias';
  at: Instant;
  /** Their names, sorted. */
  hashes: readonly string[];
}

export function emptyManifest(id: string): Manifest {
  return { schema: 1, id, current: null, versions: [] };
}

/**
 * Applies an intent to a manifest. Pure. Intents of different times give the same result in any order, and
 * when they are repeated: the latest `at` decides which version is current (ties by version), which aliases
 * stand for the avatar, and what a version shows; nothing uploaded or registered up to an erasure comes back.
 * A version that left the history has lost its description: a restore that arrives after that brings it back
 * as the restore knew it.
 * @param history how many versions to keep
 */
export function apply(manifest: Manifest, intent: Intent, history: number): Manifest {
  if (intent.type === 'alias') {
    const { at, hashes } = intent;
    return consistent({ ...manifest, aliases: laterAliases(manifest.aliases, { at, hashes }) }, history);
  }
  const arriving = 'version' in intent ? [intent.version] : [];
  const changed = {
    ...manifest,
    versions: [...arriving, ...manifest.versions],
    ...(intent.type !== 'describe' && {
      head: laterHead(manifest.head, { at: intent.at, version: arriving[0]?.version ?? null }),
    }),
    ...(intent.type === 'erase' && {
      erasedAt: latest(manifest.erasedAt, intent.confirms ?? intent.at),
      voidUntil: latest(manifest.voidUntil, intent.at),
    }),
  };
  return consistent(changed, history);
}

/** Merges two manifests of one avatar, as if the intents of both had arrived at either. Pure. */
export function merge(a: Manifest, b: Manifest, history: number): Manifest {
  const merged = {
    id: a.id,
    versions: [...a.versions, ...b.versions],
    head: b.head === undefined ? a.head : laterHead(a.head, b.head),
    erasedAt: latest(a.erasedAt, b.erasedAt),
    voidUntil: latest(a.voidUntil, b.voidUntil),
    aliases: b.aliases === undefined ? a.aliases : laterAliases(a.aliases, b.aliases),
  };
  return consistent(merged, history);
}

interface Parts {
  id: string;
  /** In any order; if two have the same name, the one described last counts. */
  versions: readonly Version[];
  head?: Manifest['head'] | undefined;
  erasedAt?: Instant | undefined;
  voidUntil?: Instant | undefined;
  aliases?: Manifest['aliases'] | undefined;
}

function consistent({ versions, head, aliases, ...rest }: Parts, history: number): Manifest {
  const { id, erasedAt } = rest;
  const end = endOfErased(rest);
  const stays = (at: Instant) => end === undefined || at > end;
  const named = new Map<string, Version>();
  for (const one of versions) named.set(one.version, laterDescribed(named.get(one.version), one));
  const kept = [...named.values()]
    .filter(({ uploadedAt }) => stays(uploadedAt))
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
    ...(end !== undefined && end !== erasedAt && { voidUntil: end }),
    ...(aliases && stays(aliases.at) && { aliases }),
  };
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

/** Whether an erasure covers a version, which is then never shown again. */
export function isErased(manifest: Manifest, version: string): boolean {
  const end = endOfErased(manifest);
  return end !== undefined && timeOfVersion(version) <= Date.parse(end);
}

/** The instant up to which nothing comes back. @returns undefined if the avatar was never erased */
export function endOfErased({
  erasedAt,
  voidUntil,
}: Pick<Parts, 'erasedAt' | 'voidUntil'>): Instant | undefined {
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
  const { head, versions, aliases } = manifest;
  const { uploadedAt } = versions[0] ?? {};
  const descriptions = versions.map(({ describedAt }) => describedAt);
  const known = [head?.at, endOfErased(manifest), uploadedAt, aliases?.at, ...descriptions].reduce(latest);
  const after = known === undefined ? 0 : Date.parse(known) + 1;
  return new Date(Math.max(now.getTime(), after)).toISOString();
}

function laterHead(a: Manifest['head'], b: NonNullable<Manifest['head']>): NonNullable<Manifest['head']> {
  if (a === undefined) return b;
  const rank = ({ at, version }: typeof b) => `${at} ${version ?? ''}`;
  return rank(a) >= rank(b) ? a : b;
}

function laterDescribed(a: Version | undefined, b: Version): Version {
  if (a === undefined) return b;
  const rank = ({ describedAt, alt }: Version) => `${describedAt ?? ''} ${alt ?? ''}`;
  return rank(a) >= rank(b) ? a : b;
}

function laterAliases(
  a: Manifest['aliases'],
  b: NonNullable<Manifest['aliases']>,
): NonNullable<Manifest['aliases']> {
  if (a === undefined) return b;
  const rank = ({ at, hashes }: typeof b) => `${at} ${hashes.join(' ')}`;
  return rank(a) >= rank(b) ? a : b;
}

function latest(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  return (a ?? '') >= (b ?? '') ? a : b;
}

function newestFirst(a: Version, b: Version): number {
  return `${a.uploadedAt} ${a.version}` < `${b.uploadedAt} ${b.version}` ? 1 : -1;
}
