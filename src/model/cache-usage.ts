/** What a cache has done since the start, and what it holds now. */
export interface CacheUsage {
  hits: number;
  misses: number;
  entries: number;
  bytes: number;
}
