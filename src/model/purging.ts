import { hashIn } from './alias-names.js';
import { encodeId } from './keys.js';
import { sha256Hex } from './sha256.js';

/** Hex digits of a tag. Two avatars with the same tag would only be purged together. */
const DIGITS = 16;

/** What is to be purged: everything that readers got of an avatar. */
export interface Purgeable {
  id: string;
  /** The names of the aliases that stood for the avatar before, or stand for it now. */
  aliases: readonly string[];
  /** Whether these may have stood for another avatar, or for none. */
  aliased: boolean;
  /**
   * Whether some of them may be new: other replicas may still know for a while that they stand for nobody.
   */
  registered: boolean;
}

/**
 * The tag of every answer that shows an avatar, or stands in for its picture. A hash, since `/avatar/<hash>`
 * must not tell the id.
 */
export function tagOfAvatar(id: string): string {
  return tagOf('avatar', id);
}

/** The tag of every answer for the hash of an e-mail address, whichever avatar it stands for. */
export function tagOfHash(hash: string): string {
  return tagOf('hash', hash);
}

/** The tags of all answers that a change makes wrong. */
export function tagsOf({ id, aliases, aliased }: Purgeable): string[] {
  return [tagOfAvatar(id), ...(aliased ? aliases.map((name) => tagOfHash(hashIn(name))) : [])];
}

/** The beginnings of the paths of all answers that a change makes wrong. */
export function pathsOf({ id, aliases }: Purgeable): string[] {
  return [...pathsOfAvatar(id), ...aliases.map((name) => pathOfHash(hashIn(name)))];
}

/**
 * The beginnings of the paths of an avatar's pictures: the id as it is, percent-encoded, and as immutable
 * URLs escape it, whose `~` is percent-encoded as well by some (RFC 1738 calls it unsafe).
 */
export function pathsOfAvatar(id: string): string[] {
  const escaped = encodeId(id);
  const written = [id, encodeURIComponent(id), escaped, escaped.replaceAll('~', '%7E')];
  return [...new Set(written)].map((each) => `/v1/avatars/${each}`);
}

/** The beginning of the paths of a hash. */
export function pathOfHash(hash: string): string {
  return `/avatar/${hash}`;
}

function tagOf(kind: string, name: string): string {
  return `${kind}-${sha256Hex(`${kind}:${name}`).slice(0, DIGITS)}`;
}
