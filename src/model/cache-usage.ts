/** Use of a cache since the start, and its size now. */
export interface CacheUsage {
  hits: number;
  misses: number;
  entries: number;
  bytes: number;
}
