import { timeOfVersion } from './keys.js';
import {
  type ErasedVersion,
  type Head,
  type Instant,
  type Lock,
  type Manifest,
  type ShownHead,
  type Version,
  latest,
} from './manifest.js';

/**
 * How many erased versions a manifest remembers. Whatever arrives later for one that it forgot is that old.
 */
const MOST_ERASED = 1000;

/**
 * A requested change of an avatar. A restore and a describe carry their whole version, so they mean the same
 * at any time.
 */
export type Intent = PendingIntent | Alias;

/** Intents that may wait in the outbox. */
export type PendingIntent = Publish | Restore | Describe | Remove | SetLock | EraseVersion | Erase;

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

/** Locks the avatar, or unlocks it. */
export type SetLock = Lock & { type: 'lock' };

/** Erases one version for good, whenever and by whomever it was or will be published. */
export interface EraseVersion {
  type: 'eraseVersion';
  at: Instant;
  /** Its name. */
  version: string;
  /**
   * When it became current, if it was when the intent was made. What made it current may be void by the time
   * that this intent arrives, and the picture before it must not be shown instead.
   */
  shownAt?: Instant;
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

/**
 * Applies an intent to a manifest. Pure. Intents of different times give the same result in any order, and
 * when they are repeated: the latest `at` decides which version is current (ties by version), which aliases
 * stand for the avatar, whether it is locked, and what a version shows; nothing uploaded, registered or
 * locked up to an erasure comes back, and no version that was erased. If that was the current one, none is.
 * A version that left the history has lost its description: a restore that arrives after that brings it back
 * as the restore knew it.
 * @param history how many versions to keep
 */
export function apply(manifest: Manifest, intent: Intent, history: number): Manifest {
  return manifestOf(manifest.id, [manifest, factsOf(intent)], history);
}

/** Merges two manifests of one avatar, as if the intents of both had arrived at either. Pure. */
export function merge(a: Manifest, b: Manifest, history: number): Manifest {
  return manifestOf(a.id, [a, b], history);
}

/** What a manifest or an intent says. */
type Facts = Partial<Omit<Manifest, 'schema' | 'id' | 'current'>>;

function factsOf(intent: Intent): Facts {
  const { at } = intent;
  switch (intent.type) {
    case 'publish':
    case 'restore':
      return { versions: [intent.version], head: { at, version: intent.version.version } };
    case 'describe':
      return { versions: [intent.version] };
    case 'remove':
      return { head: { at, version: null } };
    case 'lock': {
      const { locked, reason } = intent;
      return { lock: { at, locked, ...(reason !== undefined && { reason }) } };
    }
    case 'eraseVersion': {
      const { version, shownAt } = intent;
      return { erased: [{ version, at }], ...(shownAt !== undefined && { head: { at: shownAt, version } }) };
    }
    case 'erase':
      return { head: { at, version: null }, erasedAt: intent.confirms ?? at, voidUntil: at };
    case 'alias':
      return { aliases: { at, hashes: intent.hashes } };
  }
}

/** The manifest that follows from all these facts, in whatever order they come. */
function manifestOf(id: string, facts: readonly Facts[], history: number): Manifest {
  const erasedAt = facts.map((one) => one.erasedAt).reduce(latest);
  const end = latest(erasedAt, facts.map((one) => one.voidUntil).reduce(latest));
  const stays = (at: Instant) => end === undefined || at > end;
  const heads = facts.flatMap(({ head }) => head ?? []);
  const head = last(heads, rankOfHead);
  const shown = last([...heads, ...facts.flatMap(({ hidden }) => hidden ?? [])].filter(isShown), rankOfHead);
  const hidden = head?.version === null && shown && stays(shown.at) ? shown : undefined;
  const erased = facts.flatMap((one) => one.erased ?? []).filter(({ version }) => stays(instantOf(version)));
  const aliases = last(
    facts.flatMap((one) => one.aliases ?? []),
    ({ at, hashes }) => `${at} ${hashes.join(' ')}`,
  );
  const lock = last(
    facts.flatMap((one) => one.lock ?? []),
    ({ at, locked, reason = '' }) => `${at} ${locked} ${reason}`,
  );
  const known = facts.flatMap((one) => one.versions ?? []).filter(({ uploadedAt }) => stays(uploadedAt));
  const named = [head?.version, hidden?.version];
  const versions = keptOf(known, erased, (version) => named.includes(version), history);
  const current = versions.find(({ version }) => version === head?.version)?.version ?? null;
  return {
    schema: 1,
    id,
    current,
    versions,
    ...(head && { head }),
    ...(hidden && { hidden }),
    ...(erased.length > 0 && { erased: firstErasures(erased) }),
    ...(erasedAt !== undefined && { erasedAt }),
    ...(end !== undefined && end !== erasedAt && { voidUntil: end }),
    ...(aliases && stays(aliases.at) && { aliases }),
    ...(lock && stays(lock.at) && { lock }),
  };
}

/**
 * The versions that are kept, newest first. Erased ones keep their place in the history, so that it does not
 * matter whether a version was erased before or after it made another one leave.
 * @param known if two have the same name, the one described last counts
 * @param isNamed whether a version is kept however old it is
 */
function keptOf(
  known: readonly Version[],
  erased: readonly ErasedVersion[],
  isNamed: (version: string) => boolean,
  history: number,
): Version[] {
  const gone = new Map(erased.map(({ version }) => [version, `${instantOf(version)} ${version}`]));
  const byName = new Map<string, Version>();
  for (const one of known) {
    const before = byName.get(one.version);
    if (gone.has(one.version)) continue;
    byName.set(one.version, before === undefined ? one : (last([before, one], rankOfDescription) ?? one));
  }
  const age = ({ uploadedAt, version }: Version) => `${uploadedAt} ${version}`;
  const newestFirst = [...byName.values()].sort((a, b) => (age(a) < age(b) ? 1 : -1));
  const places = [...gone.values()];
  return newestFirst.filter((one, index) => {
    const place = index + places.filter((erasedOne) => erasedOne > age(one)).length;
    return place < history || isNamed(one.version);
  });
}

/** The first erasure of each version, the latest ones first. */
function firstErasures(erased: readonly ErasedVersion[]): ErasedVersion[] {
  const rank = ({ at, version }: ErasedVersion) => `${at} ${version}`;
  const latestFirst = [...erased].sort((a, b) => (rank(a) < rank(b) ? 1 : -1));
  const first = new Map(latestFirst.map((one) => [one.version, one]));
  return latestFirst.filter((one) => first.get(one.version) === one).slice(0, MOST_ERASED);
}

function isShown(head: Head): head is ShownHead {
  return head.version !== null;
}

function rankOfHead({ at, version }: Head): string {
  return `${at} ${version ?? ''}`;
}

function rankOfDescription({ describedAt, alt }: Version): string {
  return `${describedAt ?? ''} ${alt ?? ''}`;
}

function instantOf(version: string): Instant {
  return new Date(timeOfVersion(version)).toISOString();
}

/** The one of the highest rank. */
function last<Item>(items: readonly Item[], rank: (item: Item) => string): Item | undefined {
  return items.reduce<Item | undefined>(
    (best, one) => (best === undefined || rank(one) > rank(best) ? one : best),
    undefined,
  );
}
