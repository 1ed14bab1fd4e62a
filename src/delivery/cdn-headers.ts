import type { Settings } from '../config/settings.js';
import { pathOfHash, pathsOfAvatar, tagOfAvatar, tagOfHash } from '../model/purging.js';

/**
 * What an answer was made from: an avatar, the hash of an e-mail address, or a hash and the avatar that it
 * stands for.
 */
export interface Origin {
  id?: string | undefined;
  hash?: string | undefined;
}

/**
 * The headers by which a CDN can be told to forget an answer. Without a CDN there are none.
 * @param origin undefined: the answer is private, so no CDN keeps it
 * @param url the request's path and query. One that a purge by path would not find, such as
 * `/v1/avatars/%61lice`, must not be kept
 */
export function cdnHeaders(
  { cdnPurge }: Settings,
  url: string,
  origin: Origin | undefined,
): Record<string, string> {
  if (cdnPurge === 'none' || origin === undefined) return {};
  const { id, hash } = origin;
  const tags = [
    ...(id === undefined ? [] : [tagOfAvatar(id)]),
    ...(hash === undefined ? [] : [tagOfHash(hash)]),
  ];
  const paths = hash !== undefined ? [pathOfHash(hash)] : id !== undefined ? pathsOfAvatar(id) : [];
  return {
    ...(tags.length > 0 && { 'Cache-Tag': tags.join(','), 'Surrogate-Key': tags.join(' ') }),
    ...(paths.some((path) => url.startsWith(path)) ? {} : { 'Cache-Control': 'no-store' }),
  };
}
