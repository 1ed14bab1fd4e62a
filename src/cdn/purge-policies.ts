import { keepableMs } from '../avatars/read-token.js';
import type { Settings } from '../config/settings.js';
import type { Purgeable } from '../model/purging.js';
import type { RetryRules } from './retry-queue.js';

/** How long an answer with the old picture may be on its way to the CDN, in ms. */
const ON_ITS_WAY_MS = 1000;

/** The wait after the first failure, which doubles with each, and the longest one, in ms. */
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 300_000;

/** How long the service goes on purging when it stops, in ms, apart from calls under way. */
const STOPPING_MS = 3000;

/** How often a command tries: for its change, and once more when it ends. */
const COMMAND_ATTEMPTS = 2;

/** What a process does about its purges. Instants are by the monotonic clock. */
export interface PurgePolicy {
  /** How long an erasure waits for its purge, in ms; undefined: however long it takes. */
  erasureTimeoutMs?: number;
  /** While avatars change. */
  rules: RetryRules;
  /** From when on no change follows. */
  atEnd: (now: number) => RetryRules;
  /** Told of each avatar that was not purged after all. */
  notPurged?: (id: string) => void;
}

/** The service tries for about an hour. It doesn't keep an erasure waiting for a CDN that is slow. */
export function policyOfService(settings: Settings): PurgePolicy {
  return {
    erasureTimeoutMs: settings.cdnTimeoutMs,
    rules: attempts(settings.cdnAttempts),
    atEnd: (now) => rulesOfShutdown(settings, now),
  };
}

/** What waits is purged within seconds, even if that is early, and nothing is tried again. */
function rulesOfShutdown({ cdnTimeoutMs }: Settings, now: number): RetryRules {
  const dueBy = now + STOPPING_MS;
  return { waitAfter: () => undefined, dueBy, giveUpAt: dueBy + cdnTimeoutMs };
}

/**
 * A command has no client that waits, so it carries out every purge before it ends, however slow the CDN is.
 * It repeats calls that failed at its end, so that they don't hold up first ones.
 */
export function policyOfCommand({ cdnAttempts }: Settings, notPurged: (id: string) => void): PurgePolicy {
  const most = Math.min(COMMAND_ATTEMPTS, cdnAttempts);
  return {
    rules: { waitAfter: (failures) => (failures < most ? LONGEST_WAIT_MS : undefined) },
    atEnd: () => attempts(most),
    notPurged,
  };
}

function attempts(most: number): RetryRules {
  return {
    waitAfter: (failures) =>
      failures < most ? Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS) : undefined,
  };
}

/**
 * When to purge again: when no replica shows the old picture from memory any more, since the CDN may have
 * fetched it from one of them meanwhile. Replicas remember longer that a hash stands for nobody, so new
 * hashes are purged once more after that.
 * @param now when the change happened
 */
export function repeatsOf({ registered }: Purgeable, settings: Settings, now: number): number[] {
  const { cacheMaxAgeMs, cacheUnknownHashMs } = settings;
  const arrived = now + ON_ITS_WAY_MS;
  const keepable = keepableMs(cacheMaxAgeMs);
  const late = registered && cacheUnknownHashMs > keepable;
  return [arrived + keepable, ...(late ? [arrived + cacheUnknownHashMs] : [])];
}
