import type { Settings } from './settings.js';

/** The parts of CACHE_BYTES; pictures get the rest. */
const SHARES = {
  manifests: 1 / 8,
  aliases: 1 / 32,
  defaultPictures: 1 / 16,
  hotAnswers: 3 / 32,
  hotKeys: 1 / 32,
  leftVersions: 1 / 64,
  sheets: 1 / 32,
} as const;

/** How many bytes each cache of this process may hold. Together they are CACHE_BYTES. */
export function cacheSharesOf({ cacheBytes }: Settings): Record<keyof typeof SHARES | 'pictures', number> {
  const others = Object.values(SHARES).reduce((sum, share) => sum + share, 0);
  const bytes = Object.entries({ ...SHARES, pictures: 1 - others }).map(([name, share]) => [
    name,
    cacheBytes * share,
  ]);
  return Object.fromEntries(bytes) as Record<keyof typeof SHARES | 'pictures', number>;
}
