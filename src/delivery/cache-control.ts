import type { Settings } from '../config/settings.js';

/** The headers that say for how long caches may keep an answer without asking. */
export type Caching = Readonly<{
  'Cache-Control': string;
  /** Takes the place of Cache-Control in CDNs that know it: RFC 9213. */
  'CDN-Cache-Control'?: string;
}>;

/**
 * The headers of a current picture: its URL stays while the picture behind it may change at any time. Only a
 * CDN that is purged keeps it for longer than browsers do; docs/cdn.md says what each cache makes of it.
 */
export function currentPictureCaching(settings: Settings): Caching {
  const { cacheControlMaxAge, cacheControlStaleIfError, cdnMaxAge, cdnPurge } = settings;
  if (cdnPurge === 'none') return { 'Cache-Control': `public, ${kept(cacheControlMaxAge)}` };
  const whileAway = `stale-if-error=${cacheControlStaleIfError}`;
  const whileAsking = `stale-while-revalidate=${settings.cacheControlStaleWhileRevalidate}`;
  return {
    // no-cache and must-revalidate would bind the CDN as well (RFC 9111, section 5.2.2), and browsers follow
    // stale-while-revalidate.
    'Cache-Control': `public, max-age=${cacheControlMaxAge}, s-maxage=${cdnMaxAge}, ${whileAway}`,
    'CDN-Cache-Control': `max-age=${cdnMaxAge}, ${whileAsking}, ${whileAway}`,
  };
}

/** The Cache-Control of what follows from current pictures, and what no shared cache may keep. */
export function privateCacheControl({ cacheControlMaxAge }: Settings): string {
  return `private, ${kept(cacheControlMaxAge)}`;
}

/**
 * The Cache-Control of an answer. An answer that could not be checked against the storage must not be kept:
 * it may be erased already.
 * @param usual the value if it was checked
 * @param verified whether it was checked
 */
export function cacheControlOf(usual: string, verified: boolean): string {
  return verified ? usual : NO_STORE['Cache-Control'];
}

/** The headers of an answer that no cache may keep. */
export const NO_STORE: Caching = { 'Cache-Control': 'no-store' };

/** @param seconds without asking. After that, even a cache that reaches nobody shows nothing */
function kept(seconds: number): string {
  return `max-age=${seconds}, must-revalidate`;
}
