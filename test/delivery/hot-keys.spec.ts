import { Settings } from '../../src/config/settings.js';
import { Fallbacks } from '../../src/delivery/fallbacks.js';
import { GravatarRequests } from '../../src/delivery/gravatar-requests.js';
import { HotKeys } from '../../src/delivery/hot-keys.js';
import { RENDITION_FORMATS } from '../../src/model/formats.js';
import { type RenditionSource, chooseRendition } from '../../src/model/rendition.js';
import { send } from '../http/support/client.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { fc } from '../support/properties.js';
import { readMetrics, total } from '../support/scrape.js';
import { startService } from '../support/service.js';

const settings = new Settings();
const keys = new HotKeys(new GravatarRequests(settings, new Fallbacks(settings)), settings);
const HASH = '0'.repeat(32);

describe('the key of a hot answer', () => {
  it.each([
    ['/v1/avatars/a', '/v1/avatars/a?', '/v1/avatars/a?x=1', '/v1/avatars/a?format=auto&animated=auto'],
    [
      '/v1/avatars/a?size=64&format=webp',
      '/v1/avatars/a?format=webp&size=64',
      '/v1/avatars/a?size=50&format=webp',
      '/v1/avatars/a?size=0064&format=w%65bp&&x=2&=3',
    ],
    ['/v1/avatars/a?name=A+B', '/v1/avatars/a?name=A%20B'],
    ['/v1/avatars/a/v/64.webp', '/v1/avatars/a/v/64.webp?x=1', '/v1/avatars/a/v/64.webp?size=32&size=64'],
    [
      `/avatar/${HASH}`,
      `/avatar/${HASH}?s=80`,
      `/avatar/${HASH}?size=080x9`,
      `/avatar/${HASH}?s=80&size=80&r=g&x=1`,
      `/avatar/${HASH}?d=unknown&f=n&s=nonsense`,
    ],
    [`/avatar/${HASH}?d=retro`, `/avatar/${HASH}?default=retro`, `/avatar/${HASH}?d=mp&default=retro`],
  ])('is the same for all ways to ask for the same: %s', (...urls) => {
    expect(keys.keyOf(urls[0])).toBeDefined();
    expect(new Set(urls.map((url) => keys.keyOf(url))).size).toBe(1);
  });

  it('is another one for everything else', () => {
    const urls = [
      ...['/v1/avatars/a', '/v1/avatars/A', '/v1/avatars/a/v/64.webp', '/v1/avatars/a/v/64-still.webp'],
      // There are no such sizes.
      ...['15', '1025', '64x64', '6e1', '-64', ''].map((size) => `/v1/avatars/a?size=${size}`),
      ...['64', '65', '1000'].map((size) => `/v1/avatars/a?size=${size}`),
      ...['size=64&animated=true', 'size=64&format=webp', 'size=64&animated=false', 'size=64&format=png'],
      ...[
        'default=mp',
        'default=404',
        'color=112233',
        'scheme=dark',
        'name=A',
        'initials=A',
        'name=a&initials=A',
      ],
    ].map((written) => (written.startsWith('/') ? written : `/v1/avatars/a?${written}`));
    const byHash = ['', 's=81', 'd=retro', 'd=404', 'f=y', 'name=A', 'initials=A', 'scheme=dark'].map(
      (query) => `/avatar/${HASH}?${query}`,
    );
    const all = [...urls, ...byHash, `/avatar/${HASH}.png`, '/avatar/1'].map((url) => keys.keyOf(url));
    expect(all).not.toContain(undefined);
    expect(new Set(all).size).toBe(all.length);
  });

  it.each([
    '/v1/avatars/%61',
    '/v1/avatars/%zz',
    '/v1/avatars/a#',
    '/v1/avatars/a?size=64&size=64',
    '/v1/avatars/a?s%69ze=64',
    '/v1/avatars/a?si+ze=64',
    '/v1/avatars/a?name=%zz',
    `/v1/avatars/a?name=${'a'.repeat(2048)}`,
    '/v1/avatars/a/url',
    `/avatar/${'A'.repeat(32)}`,
    '/avatar/a%62',
    '/v1/sheets?ids=a',
    '/health/ready',
    '*',
  ])('is missing where hardly anybody writes so, and for what is no picture: %s', (url) => {
    expect(keys.keyOf(url)).toBeUndefined();
  });

  it('joins only sizes that every picture is shown at alike', () => {
    const version: fc.Arbitrary<RenditionSource> = fc.record({
      width: fc.integer({ min: 1, max: 2048 }),
      master: fc.constantFrom('jpeg', 'webp'),
      animated: fc.boolean(),
    });
    const size = fc.integer({ min: 16, max: 1024 });
    const format = fc.option(fc.constantFrom(...RENDITION_FORMATS), { nil: undefined });
    fc.assert(
      fc.property(version, size, size, format, fc.boolean(), (source, one, other, asked, still) => {
        fc.pre(keys.keyOf(`/v1/avatars/a?size=${one}`) === keys.keyOf(`/v1/avatars/a?size=${other}`));
        const shown = (edge: number) =>
          chooseRendition(source, { size: edge, format: asked, still }, settings.avatarSizes);
        expect(shown(one)).toEqual(shown(other));
      }),
    );
  });
});

it('thousands of ways to ask for one picture leave one answer in memory', async () => {
  const service = await startService({ ...(await local.environment()), CACHE_MAX_AGE_MS: '3600000' });
  try {
    const client = new AvatarClient(service.url, 'a');
    expectStatus(201, await client.upload(await numbered(1)));
    const entries = async () =>
      total(
        readMetrics((await send(service.url, { path: '/metrics' })).body.toString()),
        'visage_cache_entries',
        {
          cache: 'hot',
        },
      );
    const before = await entries();
    for (let i = 0; i < 30; i++) expectStatus(200, await client.get(`?size=${35 + i}&format=webp&x=${i}`));
    // The sizes 48 and 64.
    expect((await entries()) - before).toBe(2);
  } finally {
    await service.stop();
  }
});
