import { CodedError } from '../errors.js';

const ID = /^[A-Za-z0-9][A-Za-z0-9._~@|:+=-]{0,79}$/;
const VERSION = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** @throws CodedError `invalid_id` unless it is 1-80 of `A-Z a-z 0-9 . _ ~ @ | : + = -`, the first a letter or digit */
export function assertId(id: string): void {
  if (!ID.test(id)) {
    throw new CodedError(
      'invalid_id',
      'An avatar id has 1 to 80 characters of A-Z a-z 0-9 . _ ~ @ | : + = - and starts with a letter or digit.',
      { parameter: 'id' },
    );
  }
}

/** Whether it is a UUIDv7 in lower case, RFC 9562. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/**
 * An id as keys and immutable URLs write it: `a-z 0-9 - _` stand for themselves, every other byte is `~xx`. No two ids
 * share a spelling, not even on a file system that ignores case, and 80 characters stay below the 255 bytes of a file name.
 */
export function writeId(id: string): string {
  return id.replace(/[^a-z0-9_-]/g, (char) => `~${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/**
 * The id that `writeId` wrote.
 * @throws CodedError `invalid_id` where no id is written so
 */
export function readId(written: string): string {
  const id = written.replace(/~([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  assertId(id);
  if (writeId(id) !== written) {
    throw new CodedError(
      'invalid_id',
      'In an immutable URL every character of an id but a-z 0-9 - _ is written ~xx. Take the URLs that /info gives.',
      { parameter: 'id' },
    );
  }
  return id;
}

export function manifestKey(id: string): string {
  return `manifests/${writeId(id)}.json`;
}

/** @param name `master.jpeg`, `256.webp`, ... */
export function pictureKey(id: string, version: string, name: string): string {
  return `avatars/${writeId(id)}/${version}/${name}`;
}

/** What a key below `avatars/` names. */
export interface PictureName {
  /** The id as the key writes it. */
  written: string;
  version: string;
  /** `master.jpeg`, `256.webp`, ...; undefined: an upload as it was laid down by the service that Visage grew from. */
  name: string | undefined;
}

/** @returns undefined where the key is of no kind that is known below `avatars/` */
export function parsePictureKey(key: string): PictureName | undefined {
  const [, written, version = '', name] =
    /^avatars\/([^/]+)\/([0-9a-f-]{36})(?:\/([^/]+)|\.[A-Za-z0-9]{1,10})$/.exec(key) ?? [];
  return written !== undefined && isVersion(version) ? { written, version, name } : undefined;
}

/** When a version was named, in ms since 1970: RFC 9562, 5.7. */
export function timeOfVersion(version: string): number {
  return Number.parseInt(version.replace('-', '').slice(0, 12), 16);
}
