import { Settings } from '../../src/config/settings.js';
import { DefaultPictures, type DefaultWish } from '../../src/delivery/default-pictures.js';
import { Placeholders } from '../../src/placeholders/placeholders.js';
import { send } from '../http/support/client.js';
import { local } from '../support/local.js';
import { pipelineHere } from '../support/pipeline.js';
import { TORTURE } from '../support/programme.js';
import { readMetrics, total } from '../support/scrape.js';
import { expectStatus } from '../support/avatar-client.js';
import { type RunningService, startServices } from '../support/service.js';

const READ = { verified: true, tokens: [] };
const AT_ONCE = 50;
const MIB = 1024 * 1024;

const open = (cacheBytes: number) => {
  const settings = Object.assign(new Settings(), { cacheBytes, imageQueue: 1000 });
  return new DefaultPictures(new Placeholders(pipelineHere(), settings), settings);
};
const drawn = async (from: DefaultPictures, wish: Partial<DefaultWish>) => {
  const { etag, load } = await from.choose({ kind: 'retro', seed: 'a', format: 'png', ...wish }, READ);
  return { etag, bytes: (await load()) as Buffer };
};

describe('generated pictures', () => {
  const NAMES = TORTURE ? 16_000 : 600;

  it(`stay within their share of CACHE_BYTES, whatever ${NAMES} people are called`, async () => {
    const cacheBytes = MIB;
    const pictures = open(cacheBytes);
    const draw = (n: number) => {
      const color = `#${n.toString(16).padStart(6, '0')}`;
      return drawn(pictures, { kind: 'initials', name: `Ada Lovelace ${n}`, color, size: 16 });
    };
    for (let n = 0; n < NAMES; n += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => draw(n + i)));
      expect(pictures.usage().bytes).toBeLessThanOrEqual(cacheBytes / 16);
    }
    const { entries, bytes, misses } = pictures.usage();
    expect(misses).toBe(NAMES);
    // It is full, and each entry counts for more than its bytes.
    expect(bytes).toBeGreaterThan((cacheBytes / 16) * 0.9);
    expect(entries).toBeLessThan(cacheBytes / 16 / 512);
  });

  it('are drawn also if none of them fits in memory', async () => {
    const pictures = open(0);
    const [one, other] = [await drawn(pictures, {}), await drawn(pictures, {})];
    expect(one).toEqual(other);
    expect(pictures.usage()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('have an ETag that follows the bytes, whatever was asked', async () => {
    const pictures = open(4 * MIB);
    const wishes: Partial<DefaultWish>[] = [
      {},
      { name: 'Ada Lovelace', initials: 'AL' },
      { size: 250, exact: false },
      { seed: 'b' },
      { scheme: 'dark' },
      { size: 32 },
      { format: 'webp' },
      { kind: 'mp', seed: 'a' },
      { kind: 'mp', seed: 'b' },
    ];
    const all = await Promise.all(wishes.map((wish) => drawn(pictures, wish)));
    for (const one of all) {
      for (const other of all) expect(one.etag === other.etag).toBe(one.bytes.equals(other.bytes));
    }
    expect(new Set(all.map(({ etag }) => etag)).size).toBe(6);
    // The same again from memory, and from another process.
    for (const [i, wish] of wishes.entries()) {
      expect(await drawn(pictures, wish)).toEqual(all[i]);
      expect(await drawn(open(4 * MIB), wish)).toEqual(all[i]);
    }
  });
});

describe('many requests at the same time', () => {
  let services: RunningService[];
  beforeAll(async () => {
    const environment = await local.environment();
    // The second one keeps no hot answers: each request reaches the controllers.
    services = await startServices([environment, { ...environment, LOG_LEVEL: 'debug' }]);
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const made = async ({ url }: RunningService) => {
    const { body } = await send(url, { path: '/metrics' });
    return total(readMetrics(body.toString()), 'visage_pictures_total', { kind: 'rendition' });
  };
  /** The bodies of such requests, and how many pictures were made for them. */
  const ask = async (service: RunningService, pathOf: (n: number) => string) => {
    const before = await made(service);
    const paths = Array.from({ length: AT_ONCE }, (_, n) => pathOf(n));
    const answers = await Promise.all(paths.map((path) => send(service.url, { path })));
    const bodies = new Set(answers.map((answer) => expectStatus(200, answer).body.toString('base64')));
    return { bodies: bodies.size, made: (await made(service)) - before };
  };

  it.each([
    ['identical ones', () => '/v1/avatars/nobody?default=robohash&size=512'],
    ['identical ones of a client of Gravatar', () => `/avatar/${'1'.repeat(32)}?d=monsterid&s=300`],
    ['different ids that have the same silhouette', (n: number) => `/v1/avatars/p-${n}?default=mp&size=384`],
    [
      'different hashes that have the same silhouette',
      (n: number) => `/avatar/${String(n).padStart(64, '0')}?s=333`,
    ],
    [
      'different names with the same initials',
      (n: number) => `/v1/avatars/q-${n}?default=initials&name=A${n}+B&color=123456`,
    ],
  ])('draw once: %s', async (_, pathOf) => {
    for (const service of services) {
      expect(await ask(service, pathOf)).toEqual({ bodies: 1, made: 1 });
      expect(await ask(service, pathOf)).toEqual({ bodies: 1, made: 0 });
    }
  });

  it('draw each of different ones', async () => {
    for (const service of services) {
      const all = await ask(service, (n) => `/v1/avatars/r-${n}?default=retro&size=16`);
      expect(all).toEqual({ bodies: AT_ONCE, made: AT_ONCE });
    }
  });
});
