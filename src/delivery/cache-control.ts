import type { Settings } from '../config/settings.js';

/**
 * The Cache-Control of a current picture: its URL stays while the picture behind it may change at any time.
 * @param scope private: no shared cache keeps it
 */
export function currentPictureCacheControl(
  settings: Settings,
  scope: 'public' | 'private' = 'public',
): string {
  const { cacheControlMaxAge, cacheControlStaleWhileRevalidate, cacheControlStaleIfError } = settings;
  return [
    `${scope}, max-age=${cacheControlMaxAge}`,
    `stale-while-revalidate=${cacheControlStaleWhileRevalidate}`,
    `stale-if-error=${cacheControlStaleIfError}`,
  ].join(', ');
}

/**
 * The Cache-Control of an answer. An answer that could not be checked against the storage must not be kept:
 * it may be erased already.
 * @param usual the value if it was checked
 * @param verified whether it was checked
 */
export function cacheControlOf(usual: string, verified: boolean): string {
  return verified ? usual : 'no-store';
}
