import sharp, { type AnimationOptions, type Sharp } from 'sharp';
import { picture } from '../http/support/pictures.js';
import { type Paint, animation, reference } from '../support/pictures.js';
import { pipelineHere } from '../support/pipeline.js';
import { Gallery, distance, framesOf } from './gallery.js';

let gallery: Gallery;
beforeAll(async () => {
  gallery = await Gallery.open();
});
afterAll(async () => {
  expect(await gallery.close()).toBe(0);
});

const filled =
  (...color: number[]): Paint =>
  () =>
    color;

const TRAFFIC_LIGHT = [filled(220, 20, 20), filled(230, 200, 20), filled(20, 180, 40)];
const COLORS = [
  [220, 20, 20],
  [230, 200, 20],
  [20, 180, 40],
];
const TIMES = { delay: [100, 250, 700], loop: 3 };

const encoders = {
  gif: (picture: Sharp, times: AnimationOptions) => picture.gif({ ...times, keepDuplicateFrames: true }),
  webp: (picture: Sharp, times: AnimationOptions) => picture.webp({ ...times, lossless: true }),
};

describe.each(['gif', 'webp'] as const)('an animated %s', (encoding) => {
  const encode = (picture: Sharp, times: AnimationOptions = TIMES) =>
    encoders[encoding](picture, times).toBuffer();

  it('keeps its frames, their delays and its number of loops', async () => {
    const { info, master } = await gallery.show(await encode(animation(120, 80, TRAFFIC_LIGHT)));
    expect(info).toMatchObject({ width: 80, height: 80, format: 'webp', animated: true });
    const { format, width, pageHeight, pages, delay, loop } = await sharp(master, {
      animated: true,
    }).metadata();
    expect({ format, width, pageHeight, pages, delay, loop }).toEqual({
      format: 'webp',
      width: 80,
      pageHeight: 80,
      pages: 3,
      ...TIMES,
    });
    const frames = await framesOf(master);
    expect(frames.map((frame, i) => distance(frame.at(0.5, 0.5), COLORS[i] ?? []) < 10)).toEqual([
      true,
      true,
      true,
    ]);
  });

  it('moves as WebP at every size, and shows its first frame as JPEG and PNG', async () => {
    const { as } = await gallery.show(await encode(animation(120, 80, TRAFFIC_LIGHT)));
    const small = await as({ size: 32 });
    expect(await sharp(small, { animated: true }).metadata()).toMatchObject({
      width: 32,
      pageHeight: 32,
      pages: 3,
      ...TIMES,
    });
    for (const format of ['jpeg', 'png']) {
      const frames = await framesOf(await as({ size: 32, format }));
      expect(frames.map(({ width, height }) => [width, height])).toEqual([[32, 32]]);
      expect(distance(frames[0]?.at(0.5, 0.5) ?? [], [220, 20, 20])).toBeLessThan(10);
    }
  });

  it('still loops for ever if it did', async () => {
    const { master } = await gallery.show(
      await encode(animation(40, 40, TRAFFIC_LIGHT), { loop: 0, delay: [50, 50, 50] }),
    );
    expect((await sharp(master).metadata()).loop).toBe(0);
  });

  it('keeps the transparency of each frame', async () => {
    const window =
      (from: number): Paint =>
      (x) =>
        x >= from && x < from + 20 ? [0, 0, 255, 255] : [0, 0, 0, 0];
    const source = await encode(animation(60, 60, [window(0), window(20), window(40)]));
    const frames = await framesOf((await gallery.show(source)).master);
    const visible = frames.map((frame) => [10, 30, 50].map((x) => (frame.at(x / 60, 0.5)[3] ?? 0) > 128));
    expect(visible).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
  });

  it('draws the parts that a frame leaves unchanged', async () => {
    const square =
      (from: number): Paint =>
      (x, y) =>
        x >= from && x < from + 15 && y < 30 ? [255, 255, 255] : reference(60, 60)(x, y);
    const source = await encode(animation(60, 60, [square(0), square(15), square(30)]));
    const [shown, expected] = await Promise.all([
      framesOf((await gallery.show(source)).master),
      framesOf(source),
    ]);
    expect(shown).toHaveLength(3);
    expected.forEach((frame, i) => {
      expect(shown[i]?.distanceTo(frame)).toBeLessThan(8);
    });
  });

  it('becomes a still exactly if the encoder merges its equal frames into one', async () => {
    const still = reference(60, 60);
    const { info, master } = await gallery.show(await encode(animation(60, 60, [still, still, still])));
    const { pages = 1 } = await sharp(master).metadata();
    expect({ animated: info.animated, pages }).toEqual({ animated: pages > 1, pages });
  });

  it('keeps the total time of equal frames', async () => {
    const [red, yellow] = TRAFFIC_LIGHT;
    if (!red || !yellow) throw new Error('no light');
    const { master } = await gallery.show(await encode(animation(40, 40, [red, red, yellow])));
    const { delay = [] } = await sharp(master, { animated: true }).metadata();
    expect(delay.reduce((sum, ms) => sum + ms)).toBe(1050);
  });

  it('can have many frames', async () => {
    const many = Array.from({ length: 400 }, (_, i) => filled((i * 37) % 256, (i * 91) % 256, (i % 2) * 255));
    const source = await encode(animation(8, 8, many), { delay: many.map(() => 100) });
    const { pages: before } = await sharp(source).metadata();
    const { info, master } = await gallery.show(source);
    expect(info.animated).toBe(true);
    expect((await sharp(master).metadata()).pages).toBe(before);
    expect(before).toBeGreaterThan(300);
  });
});

describe('an animation with an orientation, which libvips cannot apply', () => {
  const turned = (width: number, height: number) =>
    animation(width, height, [
      reference(width, height),
      (x, y) => reference(width, height)(x, height - 1 - y),
    ])
      .withMetadata({ orientation: 6 })
      .webp({ lossless: true, delay: [100, 200] })
      .toBuffer();

  it('is shown as it is stored', async () => {
    const frames = await framesOf((await gallery.show(await turned(100, 100))).master);
    expect(distance(frames[0]?.at(0.75, 0.25) ?? [], [30, 160, 30])).toBeLessThan(12);
    expect(distance(frames[1]?.at(0.75, 0.25) ?? [], [220, 200, 40])).toBeLessThan(12);
  });

  it('is cropped in the px it is stored in', async () => {
    const picture = await turned(400, 100);
    expect((await gallery.show(picture)).info).toMatchObject({ width: 100, animated: true });
    const frames = await framesOf((await gallery.show(picture, { crop: '350,50,50,50' })).master);
    expect(distance(frames[0]?.at(0.5, 0.5) ?? [], [220, 200, 40])).toBeLessThan(12);
    expect(await gallery.refusal(picture, { crop: '0,350,50,50' })).toBe('400 invalid_crop');
  });
});

describe('an animated rendition', () => {
  const pipeline = pipelineHere({ imageConcurrency: 2, avatarMasterMaxBytes: 2 ** 26 });
  const enlarged = async (size: number) =>
    sharp(await picture('animatedWebp'), { animated: true }).resize(size, size);
  const render = async (size: number, format: 'webp' | 'gif') =>
    pipeline.render(await picture('animatedWebp'), { size, format, exact: true });

  it('has the settings of a still if it is short', async () => {
    const size = 128;
    const webp = await (await enlarged(size)).webp({ quality: 80 }).toBuffer();
    expect((await render(size, 'webp')).equals(webp)).toBe(true);
    const gif = await (await enlarged(size)).gif({ effort: 3 }).toBuffer();
    expect((await render(size, 'gif')).equals(gif)).toBe(true);
  });

  it('is encoded with less effort if it is long', async () => {
    const size = 1640;
    const webp = await (await enlarged(size)).webp({ quality: 80, effort: 2 }).toBuffer();
    expect((await render(size, 'webp')).equals(webp)).toBe(true);
    const { bitsPerSample, pages } = await sharp(await render(2600, 'gif')).metadata();
    expect({ bitsPerSample, pages }).toEqual({ bitsPerSample: 4, pages: 3 });
  });
});
