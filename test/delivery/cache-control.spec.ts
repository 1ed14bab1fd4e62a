import { Settings } from '../../src/config/settings.js';
import { currentPictureCaching, privateCacheControl } from '../../src/delivery/cache-control.js';

describe('the headers of a current picture', () => {
  it.each([
    [{}, 'public, max-age=0, must-revalidate', undefined],
    [
      { cacheControlMaxAge: 300, cdnMaxAge: 60, cacheControlStaleIfError: 9 },
      'public, max-age=300, must-revalidate',
      undefined,
    ],
    [
      { cdnPurge: 'http' as const },
      'public, max-age=0, s-maxage=3600, stale-if-error=86400',
      'max-age=3600, stale-while-revalidate=600, stale-if-error=86400',
    ],
    [
      {
        cdnPurge: 'cloudfront' as const,
        cacheControlMaxAge: 300,
        cdnMaxAge: 60,
        cacheControlStaleIfError: 9,
      },
      'public, max-age=300, s-maxage=60, stale-if-error=9',
      'max-age=60, stale-while-revalidate=600, stale-if-error=9',
    ],
  ])('with the settings %j', (given, forAll, forCdns) => {
    const settings = Object.assign(new Settings(), given);
    const headers = currentPictureCaching(settings);
    expect([headers['Cache-Control'], headers['CDN-Cache-Control']]).toEqual([forAll, forCdns]);
    // What no shared cache may keep does not depend on whether one is purged.
    expect(privateCacheControl(settings)).toBe(
      `private, max-age=${settings.cacheControlMaxAge}, must-revalidate`,
    );
  });
});
