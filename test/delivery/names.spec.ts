import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import { MOVING_FORMATS, RENDITION_FORMATS, RENDITION_SIZES } from '../../src/model/formats.js';
import { problemOf, send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { TORTURE } from '../support/programme.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

const { min, max } = RENDITION_SIZES;
const LADDER = new Settings().avatarSizes;
const AT_ONCE = 8;

/** Every size in a long programme; otherwise those around the steps of the ladder and a few between. */
const SIZES = Array.from({ length: max - min + 1 }, (_, i) => min + i).filter(
  (size) =>
    TORTURE || size % 101 === 0 || LADDER.some((step) => Math.abs(step - size) <= (step > 200 ? 0 : 1)),
);

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const square = (edge: number, background: string) =>
  sharp({ create: { width: edge, height: edge, channels: 3, background } });

const AVATARS: { id: string; width: number; moves?: true; make: () => Promise<Buffer> }[] = [
  { id: 'tiny', width: 16, make: () => square(16, '#0080f0').png().toBuffer() },
  { id: 'still', width: 48, make: () => numbered(1) },
  { id: 'odd', width: 100, make: () => square(100, '#f08000').png().toBuffer() },
  { id: 'moving', width: 64, moves: true, make: () => picture('animatedGif') },
];

describe('readers who ask for every name', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let environment: Environment;
  let service: RunningService;
  const versions = new Map<string, string>();

  beforeAll(async () => {
    environment = await local.environment();
    service = await startService(environment);
    for (const { id, make } of AVATARS) {
      versions.set(id, versionOf(expectStatus(201, await clientOf(id).upload(await make()))));
    }
  });
  afterAll(async () => {
    agent.destroy();
    await service.stop();
  });

  const clientOf = (id: string) => new AvatarClient(service.url, id);
  /** All names of a version's pictures that a URL may have. */
  const names = () =>
    SIZES.flatMap((size) =>
      RENDITION_FORMATS.flatMap((format) => [
        `${size}.${format}`,
        ...(MOVING_FORMATS.includes(format) ? [`${size}-still.${format}`] : []),
      ]),
    );
  const inBatches = async <T>(all: readonly T[], ask: (one: T) => Promise<void>) => {
    const left = [...all];
    const loop = async () => {
      for (let one = left.pop(); one !== undefined; one = left.pop()) await ask(one);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, loop));
  };

  it.each(AVATARS)('get a picture of the right size for each: $id', async ({ id, width }) => {
    const { path } = clientOf(id);
    const version = versions.get(id) ?? '';
    await inBatches(names(), async (name) => {
      const { body } = expectStatus(
        200,
        await send(service.url, { path: `${path}/${version}/${name}`, agent }),
      );
      const { width: shown } = await sharp(body).metadata();
      expect([name, shown]).toEqual([name, Math.min(Number.parseInt(name), width)]);
    });
    await inBatches(SIZES, async (size) => {
      for (const format of RENDITION_FORMATS) {
        const suffix = `?size=${size}&format=${format}`;
        const { body } = expectStatus(200, await send(service.url, { path: `${path}${suffix}`, agent }));
        const { width: shown } = await sharp(body).metadata();
        const step = LADDER.find((one) => one >= size) ?? max;
        expect([suffix, shown]).toEqual([suffix, Math.min(step, width)]);
      }
    });
  });

  it.each(AVATARS)('have one ETag for one picture, whatever its name: $id', async ({ id }) => {
    const { path } = clientOf(id);
    const ways = [
      ...names().map((name) => `/${versions.get(id) ?? ''}/${name}`),
      ...SIZES.flatMap((size) => RENDITION_FORMATS.map((format) => `?size=${size}&format=${format}`)),
    ];
    const etags = new Map<string, Set<string | undefined>>();
    const pictures = new Map<string | undefined, Set<string>>();
    await inBatches(ways, async (way) => {
      const { body, headers } = expectStatus(200, await send(service.url, { path: `${path}${way}`, agent }));
      const bytes = sha256(body);
      etags.set(bytes, (etags.get(bytes) ?? new Set()).add(headers.etag));
      pictures.set(headers.etag, (pictures.get(headers.etag) ?? new Set()).add(bytes));
    });
    expect([...pictures].filter(([, all]) => all.size > 1).map(([etag]) => etag)).toEqual([]);
    expect([...etags.values()].filter((all) => all.size > 1).map((all) => [...all].sort())).toEqual([]);
  });

  it.each(['0', '15', '1025', '9999', '-1', '64-exact', '064', '20000', '64-still-still', 'MASTER'])(
    'get nothing for %s',
    async (name) => {
      for (const { id } of AVATARS) {
        const answer = await clientOf(id).get(`/${versions.get(id) ?? ''}/${name}.webp`);
        expect(problemOf(answer)).toEqual({ status: 404, code: 'rendition_not_found' });
      }
    },
  );

  it('leave no more in the storage than the master, its size and the configured ones, each picture once', async () => {
    // It stores after it has answered, and not when it has stopped.
    expect(await service.stop()).toBe(0);
    for (const { id, width } of AVATARS) {
      const allowed = new Set(
        [...LADDER, width].flatMap((size) =>
          RENDITION_FORMATS.flatMap((format) => [`${size}.${format}`, `${size}-still.${format}`]),
        ),
      );
      const store = openBackend(environment);
      const stored: string[] = [];
      const pictures = new Set<string>();
      for await (const { key } of store.list(`avatars/${id}/`)) {
        stored.push(key.slice(key.lastIndexOf('/') + 1));
        const object = await store.get(key);
        if (object === undefined || object === 'unchanged') throw new Error(`there is no ${key}`);
        pictures.add(sha256(object.bytes));
      }
      const others = stored.filter((name) => !allowed.has(name));
      expect([id, others]).toEqual([id, [expect.stringMatching(/^master\./)]]);
      expect(stored.length).toBeGreaterThan(1);
      expect([id, stored.length - pictures.size]).toEqual([id, 0]);
    }
  });
});
