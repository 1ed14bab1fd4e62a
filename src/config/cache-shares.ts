import type { Settings } from './settings.js';

/** The parts of CACHE_BYTES; pictures get the rest. */
const SHARES = {
  manifests: 1 / 8,
  aliases: 1 / 32,
  defaultPictures: 1 / 16,
  hotAnswers: 1 / 8,
  leftVersions: 1 / 64,
  sheets: 1 / 32,
} as const;

/** How many bytes each cache of this process may hold. Together they are CACHE_BYTES. */
export function cacheSharesOf({ cacheBytes }: Settings): Record<keyof typeof SHARES | 'pictures', number> {
  const { manifests, aliases, defaultPictures, hotAnswers, leftVersions, sheets } = SHARES;
  return {
    manifests: cacheBytes * manifests,
    aliases: cacheBytes * aliases,
    defaultPictures: cacheBytes * defaultPictures,
    hotAnswers: cacheBytes * hotAnswers,
    leftVersions: cacheBytes * leftVersions,
    sheets: cacheBytes * sheets,
    pictures: cacheBytes * (1 - manifests - aliases - defaultPictures - hotAnswers - leftVersions - sheets),
  };
}
