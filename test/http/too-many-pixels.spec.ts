import sharp from 'sharp';
import { endlessWebp, gif, gifFrame, repeated } from '../images/containers.js';
import { local } from '../support/local.js';
import { startProcess } from '../support/service.js';
import { fileForm } from './support/client.js';
import { Harness } from './support/harness.js';
import { type PictureName, jpegClaiming, picture, pngOf } from './support/pictures.js';

const TOO_LARGE = { status: 422, code: 'image_too_large' };
const ANIMATED: readonly PictureName[] = ['animatedGif', 'animatedWebp'];
describe('pictures with too many pixels', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await startLocal({});
  });
  afterAll(() => harness.stop());

  it.each<[name: string, make: () => Promise<Buffer> | Buffer]>([
    ['a one-bit PNG of 20000 x 20000 px', () => pngOf({ width: 20_000, height: 20_000, bits: 1 })],
    ['a JPEG that claims 65535 x 65535 px', async () => jpegClaiming(await picture('jpeg'), 65_535, 65_535)],
    [
      'a PNG that claims 2 million px each way',
      () => pngOf({ width: 2e6, height: 2e6 }, { width: 8, height: 8 }),
    ],
    ['a PNG 50 million px wide', () => pngOf({ width: 50_000_000, height: 1, bits: 1 })],
    ['a PNG 50 million px high', () => pngOf({ width: 1, height: 50_000_000, bits: 1 })],
    ['a PNG 65536 px wide', () => pngOf({ width: 65_536, height: 1, bits: 1 })],
    ['a WebP of 60,000 frames that nothing could decode', endlessWebp],
    ['a GIF of 10,000 frames', () => gif(1, 1, repeated(10_000, gifFrame(1, 1)))],
    ['a PNG one row over the limit', () => pngOf({ width: 10_000, height: 5001, bits: 1 })],
  ])('refuses %s by its header, without using memory', async (_, make) => {
    const bytes = await make();
    await harness.takesUploads();
    const attempts = () =>
      Promise.all(
        Array.from({ length: 4 }, async (_none, n) => {
          const answer = await harness.put(`/v1/avatars/large-${n}`, fileForm(bytes));
          expect([answer.status, answer.body.toString()]).toEqual([
            422,
            expect.stringContaining(TOO_LARGE.code),
          ]);
        }),
      );
    expect(await harness.growth(attempts)).toBeLessThan(50);
    expect(await harness.refusal({ body: bytes })).toEqual(TOO_LARGE);
  });
});

describe('limits of pixels and frames', () => {
  it('count the frames of an animation', async () => {
    const harness = await startLocal({ CONSTANT_AVATAR_MAX_FRAMES: '2' });
    for (const name of ANIMATED) {
      expect([name, await harness.refusal({ body: await picture(name) })]).toEqual([name, TOO_LARGE]);
    }
    await harness.stop();
  });

  it('count pixels of 16 bits twice, since they take twice the memory', async () => {
    const pixels = new Uint16Array(64 * 64 * 3);
    const picture16 = await sharp(pixels, { raw: { width: 64, height: 64, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    const harness = await startLocal({ AVATAR_MAX_PIXELS: String(2 * 64 * 64 - 1) });
    expect(await harness.refusal({ body: picture16 })).toEqual(TOO_LARGE);
    const { body } = await harness.put('/v1/avatars/a', { body: picture16 });
    expect((JSON.parse(body.toString()) as { detail: string }).detail).toBe(
      'The picture has 64 x 64 px of 16 bits, which count as 8192 px since each takes twice the memory. At most 8191 px are accepted.',
    );
    expect((await harness.put('/v1/avatars/a', { body: await picture('png') })).status).toBe(201);
    await harness.stop();
  });

  it('sum the frames of an animation', async () => {
    const oneFrame = 64 * 64;
    const [harness, roomier] = await Promise.all(
      [3 * oneFrame - 1, 3 * oneFrame].map((pixels) => startLocal({ AVATAR_MAX_PIXELS: String(pixels) })),
    );
    for (const name of ANIMATED) {
      expect([name, await harness?.refusal({ body: await picture(name) })]).toEqual([name, TOO_LARGE]);
      const taken = await roomier?.put(`/v1/avatars/${name}`, { body: await picture(name) });
      expect([name, taken?.status]).toEqual([name, 201]);
    }
    await Promise.all([harness?.stop(), roomier?.stop()]);
  });
});

async function startLocal(settings: Record<string, string>): Promise<Harness> {
  return Harness.start({ ...(await local.environment()), ...settings }, { start: startProcess });
}
