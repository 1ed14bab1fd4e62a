import { v7 as uuidv7 } from 'uuid';
import { quotaOfAvatar } from '../../src/avatars/avatar-quota.js';
import { type Intent, apply } from '../../src/model/intents.js';
import { type Manifest, type Version, emptyManifest } from '../../src/model/manifest.js';
import type { Rate } from '../../src/model/quota.js';
import { runs } from '../support/programme.js';
import { fc } from '../support/properties.js';
import { PICTURE } from './support.js';

const RATE: Rate = { count: 3, seconds: 10 };
/** No more than a rate needs. */
const HISTORY = RATE.count;
const START = Date.parse('2026-01-01T00:00:00.000Z');

const at = (ms: number) => new Date(START + ms).toISOString();

function versionAt(ms: number): Version {
  return {
    version: uuidv7({ msecs: START + ms }),
    ...PICTURE,
    uploadedAt: at(ms),
  };
}

const publish = (version: Version): Intent => ({ type: 'publish', at: version.uploadedAt, version });
const after = (manifest: Manifest, ...intents: Intent[]) =>
  intents.reduce((before, intent) => apply(before, intent, HISTORY), manifest);
const quotaAt = (manifest: Manifest, ms: number) => quotaOfAvatar(manifest, RATE, at(ms));

/** Uploads in the order in which they reach the store, which is not that of their times, and removals of what they published. */
const steps = fc.array(fc.record({ ms: fc.nat(40_000), erases: fc.option(fc.nat(5), { freq: 4 }) }), {
  maxLength: 40,
});

describe('what an avatar has left of a rate', () => {
  it('never lets more uploads pass within its time, in whatever order they come', () => {
    fc.assert(
      fc.property(steps, (list) => {
        let manifest = emptyManifest('id');
        const accepted: number[] = [];
        for (const { ms, erases } of list) {
          if (quotaAt(manifest, ms).remaining === 0) continue;
          accepted.push(ms);
          manifest = after(manifest, publish(versionAt(ms)));
          const { version } = (erases === null ? undefined : manifest.versions[erases]) ?? {};
          if (version !== undefined) {
            manifest = after(manifest, { type: 'eraseVersion', at: at(50_000), version });
          }
        }
        for (const end of accepted) {
          const within = accepted.filter((ms) => ms <= end && ms > end - RATE.seconds * 1000);
          expect(within.length).toBeLessThanOrEqual(RATE.count);
        }
      }),
      { numRuns: runs(2000) },
    );
  });

  it('is more when it says so, and not a second earlier', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9999), { minLength: 1, maxLength: RATE.count }), (times) => {
        const manifest = after(emptyManifest('id'), ...times.map(versionAt).map(publish));
        const now = Math.max(...times);
        const { remaining, reset = 0 } = quotaAt(manifest, now);
        expect(remaining).toBe(RATE.count - times.length);
        expect(quotaAt(manifest, now + reset * 1000).remaining).toBeGreaterThan(remaining);
        expect(quotaAt(manifest, now + (reset - 1) * 1000 - 1).remaining).toBe(remaining);
      }),
      { numRuns: runs(500) },
    );
  });

  it('is all of it where nothing was uploaded, and again once it is long ago', () => {
    const unused = { counted: 'avatar', rate: RATE, remaining: RATE.count };
    expect(quotaAt(emptyManifest('id'), 0)).toEqual(unused);
    const manifest = after(emptyManifest('id'), publish(versionAt(0)));
    expect(quotaAt(manifest, 9999)).toEqual({ ...unused, remaining: 2, reset: 1 });
    expect(quotaAt(manifest, 10_000)).toEqual(unused);
  });

  it('does not make anybody wait for longer than its time, whatever the clock of another replica says', () => {
    const ahead = [100_000, 100_001, 100_002].map(versionAt).map(publish);
    expect(quotaAt(after(emptyManifest('id'), ...ahead), 0)).toMatchObject({ remaining: 0, reset: 10 });
  });
});
