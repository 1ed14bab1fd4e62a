import type { Settings } from '../config/settings.js';
import { pathOfHash, pathsOfAvatar, tagOfAvatar, tagOfHash } from '../model/purging.js';
import { type Caching, NO_STORE } from './cache-control.js';

/**
 * What an answer was made from: an avatar, the hash of an e-mail address, or a hash and the avatar that it
 * stands for.
 */
export interface Origin {
  id?: string | undefined;
  hash?: string | undefined;
}

/**
 * The headers about caches: for how long they may keep an answer, and the tags by which a CDN can be told to
 * forget it. Without a CDN there are no tags.
 * @param origin undefined: the answer is private, so no CDN keeps it
 * @param url the request's path and query. One that a purge by path would not find, such as
 * `/v1/avatars/%61lice`, must not be kept
 * @param caching used if the storage vouches for the answer
 */
export function cacheHeaders(
  { cdnPurge }: Settings,
  url: string,
  origin: Origin | undefined,
  caching: Caching,
  verified: boolean,
): Record<string, string> {
  const keepable = verified ? caching : NO_STORE;
  if (cdnPurge === 'none' || origin === undefined) return keepable;
  const { id, hash } = origin;
  const tags = [
    ...(id === undefined ? [] : [tagOfAvatar(id)]),
    ...(hash === undefined ? [] : [tagOfHash(hash)]),
  ];
  const paths = hash !== undefined ? [pathOfHash(hash)] : id !== undefined ? pathsOfAvatar(id) : [];
  return {
    ...(paths.some((path) => url.startsWith(path)) ? keepable : NO_STORE),
    ...(tags.length > 0 && { 'Cache-Tag': tags.join(','), 'Surrogate-Key': tags.join(' ') }),
  };
}
