import { CodedError } from '../errors.js';

/** An avatar id, except for `LOOKUP`: 1 to 80 characters, the first a letter, a digit, `_` or `-`. */
export const ID = /^[A-Za-z0-9_-][A-Za-z0-9._~@|:+=-]{0,79}$/;
/** No id: it is a call, `POST /v1/avatars/lookup`. */
export const LOOKUP = 'lookup';
const HASH = /^(?:[0-9a-f]{32}|[0-9a-f]{64})$/;
const KEYED_NAME = /^[0-9a-f]{8}-[0-9a-f]{64}$/;
const VERSION = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const THE_YEAR_9999 = 'e6707a6e-b000';

/** Whether `assertId` accepts a text as an id. */
export function isId(text: string): boolean {
  return ID.test(text) && text !== LOOKUP;
}

/**
 * @throws CodedError `invalid_id` unless it is 1-80 of `A-Z a-z 0-9 . _ ~ @ | : + = -`, the first a letter, a
 * digit, `_` or `-`, and not `lookup`
 */
export function assertId(id: string): void {
  if (id === LOOKUP) {
    throw new CodedError('invalid_id', '`lookup` is the name of a call and no avatar id. Use another id.', {
      parameter: 'id',
    });
  }
  if (!isId(id)) {
    throw new CodedError(
      'invalid_id',
      'An avatar id has 1 to 80 characters of A-Z a-z 0-9 . _ ~ @ | : + = - and starts with a letter, a digit, _ or -.',
      { parameter: 'id' },
    );
  }
}

/** Whether a text is a UUIDv7 (RFC 9562) in lower case whose time an `Instant` can have. */
export function isVersion(text: string): boolean {
  return VERSION.test(text) && text < THE_YEAR_9999;
}

/** Whether a text is an MD5 or SHA-256 in lowercase hex. */
export function isHash(text: string): boolean {
  return HASH.test(text);
}

/**
 * Whether a text can be the name of an alias: a hash, or with ALIAS_KEY a fingerprint of the key and an
 * HMAC-SHA256.
 */
export function isAliasName(text: string): boolean {
  return isHash(text) || KEYED_NAME.test(text);
}

/** When a version was uploaded, in ms since 1970: its first 48 bits (RFC 9562, section 5.7). */
export function timeOfVersion(version: string): number {
  return Number.parseInt(version.slice(0, 8) + version.slice(9, 13), 16);
}

/**
 * Encodes an id for keys and immutable URLs: `a-z 0-9 - _` stay as they are, every other byte becomes `~xx`.
 * No two ids get the same name, even on a file system that ignores case, and 80 characters stay below the 255
 * bytes of a file name.
 */
export function encodeId(id: string): string {
  return id.replace(/[^a-z0-9_-]/g, (char) => `~${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * Decodes what `encodeId` encoded.
 * @throws CodedError `invalid_id` if `encodeId` never gives this text
 */
export function decodeId(encoded: string): string {
  const id = encoded.replace(/~([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  assertId(id);
  if (encodeId(id) !== encoded) {
    throw new CodedError(
      'invalid_id',
      'Immutable URLs escape every character of an id except a-z 0-9 - _ as ~xx. Copy the URLs from /info.',
      { parameter: 'id' },
    );
  }
  return id;
}

export const MANIFESTS = 'manifests/';
export const AVATARS = 'avatars/';
export const ALIASES = 'aliases/';
/** Objects that Visage writes to check that the storage works. */
export const PROBES = 'probes/';
/** Its presence says that no picture of the older service is left to adopt, and that none will come. */
export const ADOPTION_COMPLETE = 'adoption/complete.json';
/** Written by the process that adopts, while it does. */
export const ADOPTION_RUNNING = 'adoption/running.json';

export function manifestKey(id: string): string {
  return `${MANIFESTS}${encodeId(id)}.json`;
}

/** @param name as `isAliasName` accepts it */
export function aliasKey(name: string): string {
  return `${ALIASES}${name}.json`;
}

/** @param name `master.jpeg`, `256.webp`, ... */
export function pictureKey(id: string, version: string, name: string): string {
  return `${prefixOf(id)}${version}/${name}`;
}

/** The prefix of the keys of an avatar's pictures. */
export function prefixOf(id: string): string {
  return `${AVATARS}${encodeId(id)}/`;
}

/** Whether a key is that of a picture in the layout of the older service: `avatars/<id>/<version>.<ext>`. */
export function isLegacy(key: string): boolean {
  return key.split('/').length === 3 && versionOf(key) !== undefined;
}

/**
 * The version that a picture's key belongs to:
 * `avatars/<id>/<version>/...`, or `avatars/<id>/<version>.<ext>` in the layout of the older service.
 * @returns undefined for any other key
 */
export function versionOf(key: string): string | undefined {
  const version = /^avatars\/[^/]+\/([0-9a-f-]{36})[/.][^/]+$/.exec(key)?.[1];
  return version !== undefined && isVersion(version) ? version : undefined;
}
