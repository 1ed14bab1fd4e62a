import { type Instant, type Manifest, uploadTimes } from '../model/manifest.js';
import type { Quota, Rate } from '../model/quota.js';

/**
 * What an avatar has left of a rate: its versions tell when they were uploaded, also those that were erased
 * since. Exact as long as the history keeps as many versions as the rate allows.
 * @param now usually the time of an upload, which may be later than this process's clock
 */
export function quotaOfAvatar(manifest: Manifest, rate: Rate, now: Instant): Quota {
  const windowMs = rate.seconds * 1000;
  const since = Date.parse(now) - windowMs;
  const latestFirst = uploadTimes(manifest).filter((time) => time > since);
  const next = latestFirst[Math.min(rate.count, latestFirst.length) - 1];
  return {
    counted: 'avatar',
    rate,
    remaining: Math.max(0, rate.count - latestFirst.length),
    // An upload that was accepted later than this one may have been faster.
    ...(next !== undefined && { reset: Math.min(rate.seconds, Math.ceil((next - since) / 1000)) }),
  };
}
