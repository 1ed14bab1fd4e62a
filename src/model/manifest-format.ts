import { CodedError } from '../errors.js';
import { type By, CALLER_NAME, CREDENTIALS } from './access.js';
import { type Crop, MASTER_FORMATS, REDUCTIONS, ROTATIONS } from './formats.js';
import { isAliasName, isVersion, manifestKey } from './keys.js';
import type {
  Describe,
  Erase,
  EraseVersion,
  PendingIntent,
  Publish,
  Remove,
  Restore,
  SetLock,
} from './intents.js';
import type { ErasedVersion, Head, Instant, Lock, Manifest, ShownHead, Version } from './manifest.js';

/** The longest alternative text or reason of a lock, in characters. */
export const TEXT_CHARACTERS = 250;

/** `\p{Cs}`: half of a surrogate pair, which only JSON can bring. */
const TEXT = new RegExp(`^[^\\p{Cc}\\p{Cs}]{0,${TEXT_CHARACTERS}}$`, 'u');
const SHA256 = /^[0-9a-f]{64}$/;
const COLOR = /^#[0-9a-f]{6}$/;
const INSTANT = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;
/** A ThumbHash has 5 to 25 bytes. */
const THUMBHASH = /^(?:[A-Za-z0-9+/]{4}){1,9}(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/;

/** The edge at which WebP ends, in px; no `AVATAR_MASTER_SIZE` may be larger. */
const MAX_EDGE = 16_383;
/** A crop is given in numbers of at most five digits. */
const MAX_CROP = 99_999;

/**
 * A stored manifest that no release can have written. `AvatarRepository` logs it, so the requests that fail
 * of it do not.
 */
export class ManifestUnreadable extends CodedError {
  /**
   * @param key of the object
   * @param reason names the wrong field, and quotes nothing of the object
   */
  constructor(
    readonly key: string,
    readonly reason: string,
  ) {
    super('manifest_unreadable', 'The record of this avatar is damaged. An operator has to fix it.', {
      cause: new Error(`${key}: ${reason}`),
      logged: true,
    });
  }
}

/**
 * Encodes a manifest for the store.
 * @throws Error if `readManifest` would refuse it: nothing unreadable is ever stored
 */
export function writeManifest(manifest: Manifest): Buffer {
  const fault = faultOfManifest(manifest.id, manifest);
  if (fault !== undefined) throw new Error(`not a manifest: ${fault}`);
  return Buffer.from(JSON.stringify(manifest));
}

/**
 * Decodes a manifest from the store. Accepts what any release has written, and unknown fields.
 * @throws ManifestUnreadable if the bytes are no manifest of this avatar
 */
export function readManifest(id: string, bytes: Buffer): Manifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(bytes.toString());
  } catch {
    // The message of a SyntaxError quotes the text, which may hold hashes of addresses.
    throw new ManifestUnreadable(manifestKey(id), 'it is not JSON');
  }
  const fault = faultOfManifest(id, manifest);
  if (fault !== undefined) throw new ManifestUnreadable(manifestKey(id), fault);
  return manifest as Manifest;
}

/**
 * Checks a value from an outbox that should be an intent.
 * @returns what is wrong, like `version.width has to be a whole number from 1 to 16383`; undefined if nothing
 * is
 */
export function faultOfIntent(value: unknown): string | undefined {
  const type = (value as { type?: unknown } | null | undefined)?.type;
  const shape =
    typeof type === 'string' && Object.hasOwn(intentShapes, type) ? intentShapes[type] : undefined;
  return shape
    ? describe(shape(value))
    : 'it has to be a publish, restore, describe, remove, lock, eraseVersion or erase';
}

/**
 * Whether a value is an existing time exactly as `Date.toISOString` writes it, up to the year 9998:
 * `instantAfter` needs room above.
 */
export function isInstant(value: unknown): value is Instant {
  if (!isText(value, INSTANT) || value >= '9999') return false;
  const day = value.slice(8, 10);
  // `Date` turns a day that its month lacks into one of the next month. It is slow, so it checks only late
  // days.
  return day <= '28' || new Date(value).getUTCDate() === Number(day);
}

/** Whether a value can be the alternative text of a picture, or the reason of a lock. */
export function isShortText(value: unknown): value is string {
  return typeof value === 'string' && TEXT.test(value);
}

interface Fault {
  /** Path within the value, like `.versions[0].width`; empty: the value itself. */
  field: string;
  wanted: string;
}

type Check = (value: unknown) => Fault | undefined;

const instant = rule('a time like 2026-01-31T12:00:00.000Z', isInstant);
const sha256 = rule('a SHA-256 in hex', (value) => isText(value, SHA256));
const name = rule('a UUIDv7', isVersionName);
const nameOrNull = rule('a UUIDv7 or null', (value) => value === null || isVersionName(value));
const edge = wholeNumber(1, MAX_EDGE);
const start = wholeNumber(0, MAX_CROP);
const length = wholeNumber(1, MAX_CROP);

const shortText = rule(
  `at most ${TEXT_CHARACTERS} characters, none of them a control character`,
  isShortText,
);
const flag = rule('true or false', (value) => typeof value === 'boolean');

const versionShape = object<Version>({
  version: name,
  source: sha256,
  rotate: optional(rule(ROTATIONS.join(' or '), (value) => ROTATIONS.some((one) => one === value))),
  crop: optional(object<Crop>({ x: start, y: start, width: length, height: length })),
  master: rule(MASTER_FORMATS.join(' or '), (value) => MASTER_FORMATS.some((format) => format === value)),
  width: edge,
  height: edge,
  animated: flag,
  reduced: optional(rule(REDUCTIONS.join(' or '), (value) => REDUCTIONS.some((one) => one === value))),
  bytes: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  sha256: optional(sha256),
  thumbhash: rule('a ThumbHash in Base64', (value) => isText(value, THUMBHASH)),
  color: rule('a color like #35a788', (value) => isText(value, COLOR)),
  alt: optional(shortText),
  describedAt: optional(instant),
  by: optional(
    object<By>({
      kind: rule(CREDENTIALS.join(' or '), (value) => CREDENTIALS.some((kind) => kind === value)),
      name: rule('at most 255 characters, none of them a control character', (value) =>
        isText(value, CALLER_NAME),
      ),
    }),
  ),
  // Not always the time in `version`: the first releases took it some ms before they made the name.
  uploadedAt: instant,
});

const manifestShape = object<Manifest>({
  schema: rule('1', (value) => value === 1),
  id: rule('the id that its key says', (value) => typeof value === 'string'),
  current: nameOrNull,
  versions: listOf(versionShape),
  head: optional(object<Head>({ at: instant, version: nameOrNull })),
  hidden: optional(object<ShownHead>({ at: instant, version: name })),
  erased: optional(listOf(object<ErasedVersion>({ version: name, at: instant }))),
  erasedAt: optional(instant),
  voidUntil: optional(instant),
  aliases: optional(
    object<NonNullable<Manifest['aliases']>>({
      at: instant,
      hashes: listOf(
        rule('the name of an alias', (value) => typeof value === 'string' && isAliasName(value)),
      ),
    }),
  ),
  lock: optional(object<Lock>({ at: instant, locked: flag, reason: optional(shortText) })),
});

const ofType = rule('a text', (value) => typeof value === 'string');

const intentShapes: Record<string, Check> = {
  publish: object<Publish>({ type: ofType, at: instant, version: versionShape }),
  restore: object<Restore>({ type: ofType, at: instant, version: versionShape }),
  describe: object<Describe>({ type: ofType, at: instant, version: versionShape }),
  remove: object<Remove>({ type: ofType, at: instant }),
  lock: object<SetLock>({ type: ofType, at: instant, locked: flag, reason: optional(shortText) }),
  eraseVersion: object<EraseVersion>({
    type: ofType,
    at: instant,
    version: name,
    shownAt: optional(instant),
  }),
  erase: object<Erase>({ type: ofType, at: instant, confirms: optional(instant) }),
} satisfies Record<PendingIntent['type'], Check>;

function faultOfManifest(id: string, value: unknown): string | undefined {
  const fault = manifestShape(value);
  if (fault) return describe(fault);
  const checked = value as Manifest;
  return checked.id === id ? contradictionIn(checked) : 'id has to be the id that its key says';
}

/** Finds two fields that no release can have written together. */
function contradictionIn(manifest: Manifest): string | undefined {
  const { versions, erasedAt = '', voidUntil, aliases, lock } = manifest;
  const oldest = versions.at(-1);
  const misplaced = versions.findIndex((one, i) => i > 0 && !isNewer(versions[i - 1], one));
  if (misplaced !== -1) return `versions[${misplaced}] has to be older than the one before it`;
  // Believing these fields would delete the pictures as erased.
  const shown = manifest.erased?.findIndex((one) => versions.some(({ version }) => version === one.version));
  if (shown !== undefined && shown !== -1) return `erased[${shown}] has to be none of the versions`;
  for (const [field, end] of Object.entries({ erasedAt, voidUntil: voidUntil ?? '' })) {
    if (oldest && oldest.uploadedAt <= end) return `${field} has to be before all versions`;
    if (aliases && aliases.at <= end) return `${field} has to be before aliases.at`;
    if (lock && lock.at <= end) return `${field} has to be before lock.at`;
  }
  if (voidUntil === undefined || voidUntil > erasedAt) return undefined;
  return 'voidUntil has to be after erasedAt';
}

function isNewer(a: Version | undefined, b: Version): boolean {
  if (a?.uploadedAt === b.uploadedAt) return a.version > b.version;
  return a !== undefined && a.uploadedAt > b.uploadedAt;
}

function describe(fault: Fault | undefined): string | undefined {
  if (!fault) return undefined;
  const field = fault.field.replace(/^\./, '');
  return `${field === '' ? 'it' : field} has to be ${fault.wanted}`;
}

function rule(wanted: string, holds: (value: unknown) => boolean): Check {
  const fault = { field: '', wanted };
  return (value) => (holds(value) ? undefined : fault);
}

function optional(check: Check): Check {
  return (value) => (value === undefined ? undefined : check(value));
}

/** Accepts other fields as well: a newer release may have written them. */
function object<T extends object>(checks: { [Field in keyof Required<T>]: Check }): Check {
  const entries = Object.entries<Check>(checks);
  const noObject = { field: '', wanted: 'an object' };
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return noObject;
    for (const [field, check] of entries) {
      const fault = check((value as Record<string, unknown>)[field]);
      if (fault) return { ...fault, field: `.${field}${fault.field}` };
    }
    return undefined;
  };
}

function listOf(check: Check): Check {
  const noList = { field: '', wanted: 'a list' };
  return (value) => {
    if (!Array.isArray(value)) return noList;
    for (let i = 0; i < value.length; i++) {
      const fault = check(value[i]);
      if (fault) return { ...fault, field: `[${i}]${fault.field}` };
    }
    return undefined;
  };
}

function wholeNumber(min: number, max: number): Check {
  return rule(
    `a whole number from ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  );
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

function isVersionName(value: unknown): boolean {
  return typeof value === 'string' && isVersion(value);
}
