import sharp from 'sharp';
import { photo } from '../support/photo.mjs';
import { type Encoding, animation, encoded, oriented, painted, reference } from '../support/pictures.js';
import { Gallery, distance, framesOf, pixelsOf } from './gallery.js';

const RED = [200, 30, 30];
const GREEN = [30, 160, 30];
const BLUE = [30, 30, 200];
const YELLOW = [220, 200, 40];
const WHITE = [255, 255, 255];

let gallery: Gallery;
beforeAll(async () => {
  gallery = await Gallery.open();
});
afterAll(async () => {
  expect(await gallery.close()).toBe(0);
});

describe('an orientation', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('of %i is shown as a viewer shows it', async (orientation) => {
    const { master } = await gallery.show(await oriented(orientation, 320, 320, reference(320, 320)));
    const shown = await pixelsOf(master);
    const corners = [shown.at(0.25, 0.25), shown.at(0.75, 0.25), shown.at(0.25, 0.75), shown.at(0.75, 0.75)];
    expect(corners.map((color, i) => distance(color, [RED, GREEN, BLUE, YELLOW][i] ?? []) < 8)).toEqual(
      Array(4).fill(true),
    );
    expect(distance(shown.at(0.15, 0.1), WHITE)).toBeLessThan(8);
  });

  it.each<Encoding>(['jpeg', 'png', 'webp'])(
    'makes no difference to the master of a %s',
    async (encoding) => {
      const shown = await Promise.all(
        [1, 2, 3, 4, 5, 6, 7, 8].map(async (orientation) => {
          const picture = await oriented(orientation, 400, 300, reference(400, 300), encoding);
          return pixelsOf((await gallery.show(picture)).master);
        }),
      );
      const [first] = shown;
      expect(first).toMatchObject({ width: 300, height: 300 });
      for (const other of shown) expect(first?.distanceTo(other)).toBeLessThan(1);
    },
  );

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('of %i is applied before a crop', async (orientation) => {
    const picture = await oriented(orientation, 400, 300, reference(400, 300));
    const { master } = await gallery.show(picture, { crop: '150,100,100,100' });
    const shown = await pixelsOf(master);
    expect(shown).toMatchObject({ width: 100, height: 100 });
    const edges = [shown.at(0.45, 0.45), shown.at(0.55, 0.45), shown.at(0.45, 0.55), shown.at(0.55, 0.55)];
    expect(edges.map((color, i) => distance(color, [RED, GREEN, BLUE, YELLOW][i] ?? []) < 24)).toEqual(
      Array(4).fill(true),
    );
  });
});

describe('an alpha channel', () => {
  it.each([2, 4] as const)('that hides nothing is removed: %i channels', async (channels) => {
    const opaque = await withAlpha(channels, 255);
    const { info, master } = await gallery.show(opaque);
    expect(info.format).toBe('jpeg');
    expect((await sharp(master).metadata()).hasAlpha).toBe(false);
    expect((await pixelsOf(master)).distanceTo(await pixelsOf(opaque))).toBeLessThan(3);
  });

  it.each([2, 4] as const)('that hides a little of one pixel is kept: %i channels', async (channels) => {
    const { info } = await gallery.show(await withAlpha(channels, 254));
    expect(info.format).toBe('webp');
  });

  /** Opaque except for its last pixel. */
  async function withAlpha(channels: 2 | 4, alphaOfLast: number): Promise<Buffer> {
    const pixels = Buffer.alloc(100 * 100 * channels, 90);
    for (let i = channels - 1; i < pixels.length; i += channels) pixels[i] = 255;
    pixels[pixels.length - 1] = alphaOfLast;
    return sharp(pixels, { raw: { width: 100, height: 100, channels } })
      .png()
      .toBuffer();
  }
});

describe('size', () => {
  it.each([
    [100, 60, 60],
    [60, 100, 60],
    [17, 17, 17],
    [1024, 1024, 1024],
    [1025, 1500, 1024],
    [2000, 1100, 1024],
  ])('of %i x %i px becomes a square of %i px, never enlarged', async (width, height, edge) => {
    const { info, master } = await gallery.show(
      await encoded(painted(width, height, reference(width, height)), 'jpeg'),
    );
    expect(info).toMatchObject({ width: edge, height: edge, format: 'jpeg', animated: false });
    expect(await sharp(master).metadata()).toMatchObject({ width: edge, height: edge, format: 'jpeg' });
  });

  it('of a large photo becomes that of a master, and shows the same', async () => {
    const large = await photo(1600, 1600);
    const { master } = await gallery.show(large);
    const expected = await sharp(large).resize(1024, 1024).png().toBuffer();
    expect((await pixelsOf(master)).distanceTo(await pixelsOf(expected))).toBeLessThan(3);
  });

  it('of a rendition is the next larger of the list, at most the master', async () => {
    const { as } = await gallery.show(await encoded(painted(300, 300, reference(300, 300)), 'jpeg'));
    const edges = await Promise.all(
      [16, 17, 64, 65, 200, 256, 257, 300, 1024].map(
        async (size) => (await pixelsOf(await as({ size }))).width,
      ),
    );
    expect(edges).toEqual([16, 32, 64, 96, 256, 256, 300, 300, 300]);
  });
});

describe('crop', () => {
  const picture = () => encoded(painted(400, 300, reference(400, 300)), 'png');

  it.each([
    ['the upper left corner', '0,0,100,100', RED],
    ['the upper right corner', '300,0,100,100', GREEN],
    ['the lower left corner', '0,200,100,100', BLUE],
    ['the lower right corner', '300,200,100,100', YELLOW],
  ])('keeps %s and nothing else', async (_, crop, color) => {
    const shown = await pixelsOf((await gallery.show(await picture(), { crop })).master);
    expect(shown).toMatchObject({ width: 100, height: 100 });
    expect(distance(shown.at(0.9, 0.5), color)).toBeLessThan(8);
    expect(distance(shown.at(0.99, 0.99), color)).toBeLessThan(8);
  });

  it('can be a field of a form', async () => {
    const { master } = await gallery.showForm(await picture(), { crop: '300,200,100,100' });
    const shown = await pixelsOf(master);
    expect(shown).toMatchObject({ width: 100, height: 100 });
    expect(distance(shown.at(0, 0), YELLOW)).toBeLessThan(8);
  });

  it('that is no square gives a square from within it', async () => {
    const { master } = await gallery.show(await picture(), { crop: '210,160,180,90' });
    const shown = await pixelsOf(master);
    expect(shown).toMatchObject({ width: 90, height: 90 });
    for (const place of [0, 0.5, 1]) expect(distance(shown.at(place, place), YELLOW)).toBeLessThan(8);
  });

  it('of the whole picture changes nothing', async () => {
    const [whole, none] = await Promise.all([
      gallery.show(await picture(), { crop: '0,0,400,300' }),
      gallery.show(await picture()),
    ]);
    expect((await pixelsOf(whole.master)).distanceTo(await pixelsOf(none.master))).toBe(0);
  });

  it('is measured in upright px up to the far edge', async () => {
    const turned = await oriented(6, 400, 300, reference(400, 300));
    const shown = await pixelsOf((await gallery.show(turned, { crop: '399,0,1,1' })).master);
    expect(distance(shown.at(0, 0), GREEN)).toBeLessThan(8);
    expect(await gallery.refusal(turned, { crop: '0,0,300,301' })).toBe('400 invalid_crop');
    expect(await gallery.refusal(turned, { crop: '400,0,1,1' })).toBe('400 invalid_crop');
  });

  it('cuts every frame of an animation', async () => {
    const turned = reference(400, 300);
    const picture = await animation(400, 300, [turned, (x, y) => turned(399 - x, 299 - y)])
      .gif({ delay: [100, 200] })
      .toBuffer();
    const frames = await framesOf((await gallery.show(picture, { crop: '300,200,100,100' })).master);
    expect(frames.map(({ width, height }) => [width, height])).toEqual([
      [100, 100],
      [100, 100],
    ]);
    expect(frames.map((frame, i) => distance(frame.at(0.1, 0.2), [YELLOW, RED][i] ?? []) < 16)).toEqual([
      true,
      true,
    ]);
  });
});

describe('rotate', () => {
  const picture = () => encoded(painted(400, 300, reference(400, 300)), 'png');

  it.each([0, 90, 180, 270])(
    'by %i turns a picture of any orientation as sharp does, and a crop counts in px of what it shows then',
    async (rotate) => {
      const crop = (rotate % 180 === 0 ? [190, 20, 200, 170] : [20, 190, 170, 200]).join();
      const turned = await sharp(await picture())
        .rotate(rotate)
        .png()
        .toBuffer();
      const expected = await pixelsOf((await gallery.show(turned, { crop })).master);
      expect(expected).toMatchObject({ width: 170, height: 170 });
      for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
        const sent = await oriented(orientation, 400, 300, reference(400, 300));
        const { master } = await gallery.show(sent, { rotate: `${rotate}`, crop });
        expect((await pixelsOf(master)).distanceTo(expected)).toBeLessThan(2);
      }
    },
  );

  it('without a crop shows the same square as without it, turned', async () => {
    const [plain, turned] = await Promise.all([
      gallery.show(await picture()),
      gallery.showForm(await picture(), { rotate: '90' }),
    ]);
    const expected = await sharp(plain.master).rotate(90).png().toBuffer();
    expect((await pixelsOf(turned.master)).distanceTo(await pixelsOf(expected))).toBeLessThan(2);
  });

  it('decides where a crop ends', async () => {
    const shown = await pixelsOf(
      (await gallery.show(await picture(), { rotate: '90', crop: '299,399,1,1' })).master,
    );
    expect(distance(shown.at(0, 0), GREEN)).toBeLessThan(8);
    expect(await gallery.refusal(await picture(), { rotate: '90', crop: '300,0,1,1' })).toBe(
      '400 invalid_crop',
    );
    expect(await gallery.refusal(await picture(), { rotate: '180', crop: '0,300,1,1' })).toBe(
      '400 invalid_crop',
    );
  });

  it('is refused for an animation', async () => {
    const moving = await animation(40, 40, [() => [0, 0, 0], () => [255, 255, 255]])
      .webp()
      .toBuffer();
    expect(await gallery.refusal(moving, { rotate: '180' })).toBe('400 invalid_rotate');
    expect((await gallery.show(moving, { rotate: '0' })).info.animated).toBe(true);
  });
});

describe('attention', () => {
  /** Gray, with a loud checkerboard far to the right of the middle. */
  const loud = (x: number, y: number) =>
    x > 480 && x < 560 && y > 60 && y < 140
      ? (x + y) % 16 < 8
        ? [250, 40, 20]
        : [255, 220, 180]
      : [120, 120, 120];

  it('chooses the part that stands out, in a still and in an animation', async () => {
    const still = await encoded(painted(600, 200, loud), 'png');
    const moving = await animation(600, 200, [loud, (x, y) => (x < 5 ? [0, 0, 0] : loud(x, y))])
      .webp({ lossless: true })
      .toBuffer();
    const masters = await Promise.all(
      [still, moving].map(async (picture) => (await gallery.show(picture)).master),
    );
    const [stillShown, movingShown] = await Promise.all(masters.map(pixelsOf));
    expect(stillShown).toMatchObject({ width: 200, height: 200 });
    const redOf = (column: number) => stillShown?.at(column / 20, 0.5)[0] ?? 0;
    expect(Math.max(...Array.from({ length: 20 }, (_, column) => redOf(column)))).toBeGreaterThan(200);
    if (!movingShown) throw new Error('no frame');
    expect(stillShown?.distanceTo(movingShown)).toBeLessThan(4);
  });
});
