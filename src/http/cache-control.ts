/**
 * The Cache-Control of an answer. An answer that could not be checked against the storage must not be kept: it may be erased already.
 * @param usual the value if it was checked
 * @param verified whether it was checked
 */
export function cacheControlOf(usual: string, verified: boolean): string {
  return verified ? usual : 'no-store';
}
