/**
 * The Cache-Control of an answer. Nobody may keep what the storage could not vouch for: it may be erased already.
 * @param usual the value if the storage vouches for the answer
 */
export function cacheControlOf(usual: string, verified: boolean): string {
  return verified ? usual : 'no-store';
}
