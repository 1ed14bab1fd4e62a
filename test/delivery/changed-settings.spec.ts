import sharp from 'sharp';
import { picture } from '../http/support/pictures.js';
import { AvatarClient, type VersionJson, expectStatus, jsonOf, lookup } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { painted, reference } from '../support/pictures.js';
import { type Environment, type RunningService, startService, startServices } from '../support/service.js';

/** In px: the most that may be asked for. */
const MOST = 1024;

const square = (edge: number) => painted(edge, edge, reference(edge, edge)).jpeg().toBuffer();

/** Whose URLs are asked for, by the settings of the service that hands them out, with the width of the master. */
const CASES = [
  { id: 'few', settings: { AVATAR_SIZES: '64' }, width: 200, make: () => square(200) },
  { id: 'moving', settings: { AVATAR_SIZES: '48' }, width: 64, make: () => picture('animatedWebp') },
  { id: 'large', settings: { AVATAR_MASTER_SIZE: '2048' }, width: 1100, make: () => square(1100) },
  { id: 'tiny', settings: { AVATAR_MASTER_SIZE: '100' }, width: 100, make: () => square(200) },
];
/** Of the service that comes after them. It would not accept these pictures any more. */
const AFTER = { AVATAR_SIZES: '40,900', AVATAR_MASTER_SIZE: '300', AVATAR_MAX_PIXELS: '4096' };

const WISHES: { size?: number; format?: string }[] = [
  ...[16, 100, 195, 1000, MOST].flatMap((size) => [
    { size },
    { size, format: 'png' },
    { size, format: 'webp' },
  ]),
  ...['jpeg', 'png', 'webp', 'avif', 'gif'].map((format) => ({ format })),
  {},
];

const query = (wish: Record<string, string | number>) =>
  `?${Object.entries(wish)
    .map(([name, value]) => `${name}=${value}`)
    .join('&')}`;

const fetched = async (url: string) => {
  const answer = await fetch(url);
  if (answer.status !== 200) throw new Error(`${answer.status} of ${url}: ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
};

const urlOf = async (client: AvatarClient, wish: Record<string, string | number>) =>
  (jsonOf(expectStatus(200, await client.get(`/url${query(wish)}`))) as { url: string }).url;

const s3 = backends.find(({ name }) => name === 's3');

describe('URLs that were handed out under other settings', () => {
  let environment: Environment;
  let services: RunningService[];
  /** What they gave then, by path. */
  const given = new Map<string, Buffer>();
  /** Paths of those that nobody asked for. */
  const promised = new Set<string>();

  beforeAll(async () => {
    environment = { ...(await local.environment()), AVATAR_WARM_SIZES: '0' };
    services = await startServices(CASES.map(({ settings }) => ({ ...environment, ...settings })));
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  it.each(CASES.map((one, i) => [one, i] as const))(
    'work at once, in any size and format: %j',
    async ({ id, width, make }, i) => {
      const base = services[i]?.url ?? '';
      const client = new AvatarClient(base, id);
      const upload = jsonOf(expectStatus(201, await client.upload(await make()))) as VersionJson;
      for (const wish of WISHES) {
        const url = await urlOf(client, wish);
        const bytes = await fetched(url);
        given.set(url.slice(base.length), bytes);
        const shown = await sharp(bytes).metadata();
        const least = Math.min(wish.size ?? MOST, width);
        const most = url.includes('/master.') ? width : Math.min(MOST, width);
        expect([url, least <= shown.width && shown.width <= most]).toEqual([url, true]);
        if (wish.format === undefined) continue;
        expect([url, shown.format]).toEqual([url, wish.format === 'avif' ? 'heif' : wish.format]);
        // What is shown under the stable URL is the same.
        expect((await client.get(query(wish))).body.equals(bytes)).toBe(true);
      }
      const { avatars } = await lookup(base, { ids: [id], sizes: [17, 64, MOST], format: 'png' });
      for (const url of Object.values({ ...upload.urls, ...avatars[id]?.urls })) {
        promised.add(url.slice(base.length));
      }
    },
  );

  it('show a generated picture at least as large as requested', async () => {
    const nobody = new AvatarClient(services[0]?.url ?? '', 'nobody');
    const { body } = expectStatus(200, await nobody.get('?default=identicon&size=100&format=png'));
    expect((await sharp(body).metadata()).width).toBe(100);
  });

  it('give the same bytes forever, even if they have to be made again', async () => {
    await Promise.all(services.map((service) => service.stop()));
    const store = openBackend(environment);
    for await (const { key } of store.list('avatars/'))
      if (!key.includes('/master.')) await store.delete(key);
    const after = await startService({ ...environment, ...AFTER });
    services = [after];
    for (const [path, bytes] of given) {
      expect([path, bytes.equals(await fetched(after.url + path))]).toEqual([path, true]);
    }
    for (const path of promised) expect((await fetched(after.url + path)).length).toBeGreaterThan(0);
  });
});

if (s3) {
  it.each(['presigned', 'public'])('the bucket has every picture handed out in mode %s', async (mode) => {
    const environment = { ...(await s3.environment()), AVATAR_SIZES: '64', AVATAR_WARM_SIZES: '0' };
    const service = await startService({ ...environment, URL_MODE: mode });
    try {
      const client = new AvatarClient(service.url, 'few');
      expectStatus(201, await client.upload(await square(200)));
      const store = openBackend(environment);
      for (const wish of [{ size: 100 }, { size: 100, format: 'webp' }, { format: 'png' }, { size: 16 }]) {
        const { pathname } = new URL(await urlOf(client, wish));
        const key = pathname.slice(pathname.indexOf('/avatars/') + 1);
        const object = await store.get(decodeURIComponent(key));
        if (object === undefined || object === 'unchanged') throw new Error(`there is no ${key}`);
        expect((await sharp(object.bytes).metadata()).width).toBe(wish.size === 16 ? 64 : 200);
      }
    } finally {
      await service.stop();
    }
  });
}
