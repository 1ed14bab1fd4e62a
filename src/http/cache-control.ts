/**
 * The Cache-Control of an answer. What the storage could not vouch for may be erased already: nobody is to keep it.
 * @param usual what it is where the storage vouches for the answer
 */
export function cacheControlOf(usual: string, verified: boolean): string {
  return verified ? usual : 'no-store';
}
