import sharp from 'sharp';
import { thumbHashToAverageRGBA, thumbHashToRGBA } from 'thumbhash';
import {
  type Color,
  cmykJpeg,
  encoded,
  jpegWithSegments,
  painted,
  png16,
  pngWithProfile,
  profile,
  reference,
} from '../support/pictures.js';
import { Gallery, distance, pixelsOf } from './gallery.js';

let gallery: Gallery;
beforeAll(async () => {
  gallery = await Gallery.open();
});
afterAll(async () => {
  expect(await gallery.close()).toBe(0);
});

const shownColor = async (picture: Buffer) =>
  (await pixelsOf((await gallery.show(picture)).master)).at(0.5, 0.5);

describe('colors', () => {
  // How coated SWOP inks look in sRGB by the usual tables. Profiles differ a little.
  it.each([
    ['no ink', [0, 0, 0, 0], [255, 255, 255]],
    ['cyan', [255, 0, 0, 0], [0, 174, 239]],
    ['yellow', [0, 0, 255, 0], [255, 242, 0]],
    ['magenta and yellow', [0, 255, 255, 0], [237, 28, 36]],
    ['black', [0, 0, 0, 255], [35, 31, 32]],
  ] as const)('of CMYK look as they do in print: %s', async (_, ink, expected) => {
    expect(distance(await shownColor(await cmykJpeg(64, 64, ink)), [...expected, 255])).toBeLessThan(40);
  });

  it('are the same at 16 bits as at 8 bits', async () => {
    const rgb = reference(200, 200);
    const gray = (x: number, y: number) => [(x + y) >> 1];
    const rgba = (x: number, y: number) => [...rgb(x, y), x];
    for (const paint of [rgb, gray, rgba]) {
      const [wide, narrow] = await Promise.all([
        gallery.show(await png16(200, 200, paint)),
        gallery.show(await encoded(painted(200, 200, paint), 'png')),
      ]);
      expect(wide.info.format).toBe(narrow.info.format);
      expect((await pixelsOf(wide.master)).distanceTo(await pixelsOf(narrow.master))).toBeLessThan(1);
    }
  });

  const swatches: Color[] = [
    [180, 90, 70],
    [90, 170, 110],
    [80, 90, 170],
    [128, 128, 128],
  ];
  const pngs = {
    8: (color: Color) =>
      encoded(
        painted(64, 64, () => color),
        'png',
      ),
    16: (color: Color) => png16(64, 64, () => color),
  };

  it.each([8, 16] as const)('of Display P3 at %i bits are converted to sRGB', async (bits) => {
    const p3 = await profile('p3');
    for (const color of swatches) {
      const shown = await shownColor(pngWithProfile(await pngs[bits](color), p3));
      expect(distance(shown, p3ToSrgb(color))).toBeLessThan(6);
    }
  });

  it.each([8, 16] as const)('with an sRGB profile at %i bits stay the same', async (bits) => {
    const srgb = await profile('srgb');
    for (const color of [...swatches, [255, 0, 0], [0, 255, 0]]) {
      expect(distance(await shownColor(pngWithProfile(await pngs[bits](color), srgb)), color)).toBeLessThan(
        6,
      );
    }
  });

  it('outside sRGB are clipped to it', async () => {
    const shown = await shownColor(pngWithProfile(await pngs[8]([255, 0, 0]), await profile('p3')));
    expect(distance(shown, [255, 0, 0])).toBeLessThan(6);
  });

  it('count as sRGB if the profile is damaged', async () => {
    const jpeg = await encoded(
      painted(64, 64, () => [180, 90, 70]),
      'jpeg',
    );
    const picture = jpegWithSegments(jpeg, [0xe2, 'ICC_PROFILE\0\x01\x01not a profile at all']);
    expect(distance(await shownColor(picture), [180, 90, 70])).toBeLessThan(6);
  });

  it.each([
    [
      'a gray JPEG',
      () =>
        encoded(
          painted(64, 64, () => [90]),
          'jpeg',
        ),
      [90, 90, 90],
    ],
    [
      'a gray PNG',
      () =>
        encoded(
          painted(64, 64, () => [90]),
          'png',
        ),
      [90, 90, 90],
    ],
    ['a palette', () => painted(64, 64, reference(48, 48)).png({ palette: true }).toBuffer(), [220, 200, 40]],
    [
      'one bit',
      () =>
        painted(64, 64, () => [255])
          .png({ palette: true, colours: 2 })
          .toBuffer(),
      [255, 255, 255],
    ],
    [
      'an interlaced PNG',
      () =>
        painted(64, 64, () => [200, 30, 30])
          .png({ progressive: true })
          .toBuffer(),
      [200, 30, 30],
    ],
    [
      'a progressive JPEG',
      () =>
        painted(64, 64, () => [200, 30, 30])
          .jpeg({ progressive: true })
          .toBuffer(),
      [200, 30, 30],
    ],
  ] as const)('of %s are correct', async (_, picture, expected) => {
    const bytes = await picture();
    const { info, master } = await gallery.show(bytes);
    expect([info.format, (await sharp(master).metadata()).format]).toEqual(['jpeg', 'jpeg']);
    expect(distance((await pixelsOf(master)).at(0.5, 0.5), expected)).toBeLessThan(6);
  });
});

describe('transparency', () => {
  /** From left to right: transparent, half transparent red, opaque red. */
  const stripes = (x: number) => (x < 40 ? [0, 0, 0, 0] : x < 80 ? [255, 0, 0, 128] : [255, 0, 0, 255]);

  it.each(['png', 'webp'] as const)(
    'of a %s is kept in the master and in its renditions',
    async (encoding) => {
      const { info, master, as } = await gallery.show(await encoded(painted(120, 120, stripes), encoding));
      expect(info).toMatchObject({ format: 'webp', animated: false });
      for (const picture of [master, await as({ size: 64 }), await as({ size: 64, format: 'png' })]) {
        const shown = await pixelsOf(picture);
        expect(shown.at(0.1, 0.5)[3]).toBe(0);
        expect(distance(shown.at(0.5, 0.5), [255, 0, 0, 128])).toBeLessThan(8);
        expect(distance(shown.at(0.9, 0.5), [255, 0, 0, 255])).toBeLessThan(8);
      }
    },
  );

  it('becomes white as JPEG', async () => {
    const { as } = await gallery.show(await encoded(painted(120, 120, stripes), 'png'));
    const shown = await pixelsOf(await as({ size: 96, format: 'jpeg' }));
    expect(distance(shown.at(0.1, 0.5), [255, 255, 255, 255])).toBeLessThan(8);
    expect(distance(shown.at(0.5, 0.5), [255, 127, 127, 255])).toBeLessThan(12);
    expect(distance(shown.at(0.9, 0.5), [255, 0, 0, 255])).toBeLessThan(8);
  });

  it('of one color of a palette is kept', async () => {
    const picture = await painted(64, 64, (x) => (x < 32 ? [0, 0, 0, 0] : [0, 0, 255, 255]))
      .gif()
      .toBuffer();
    const { info, master } = await gallery.show(picture);
    expect(info).toMatchObject({ format: 'webp', animated: false });
    const shown = await pixelsOf(master);
    expect(shown.at(0.2, 0.5)[3]).toBe(0);
    expect(distance(shown.at(0.8, 0.5), [0, 0, 255, 255])).toBeLessThan(8);
  });
});

describe('preview', () => {
  it.each([
    ['#ff0000', [255, 0, 0]],
    ['#0000ff', [0, 0, 255]],
    ['#808080', [128, 128, 128]],
  ])('of a picture in one color is %s', async (color, paint) => {
    const { info } = await gallery.show(
      await encoded(
        painted(200, 200, () => paint),
        'png',
      ),
    );
    expect(distance(channelsOf(info.color), channelsOf(color))).toBeLessThan(4);
    const { r, g, b, a } = thumbHashToAverageRGBA(Buffer.from(info.thumbhash, 'base64'));
    expect(distance([r * 255, g * 255, b * 255, a * 255], [...paint, 255])).toBeLessThan(24);
  });

  it.each([1, 2, 5])('of a plain picture of %i px is plain', async (edge) => {
    const { info } = await gallery.show(
      await encoded(
        painted(edge, edge, () => [200, 30, 30]),
        'png',
      ),
    );
    const { w, h, rgba } = thumbHashToRGBA(Buffer.from(info.thumbhash, 'base64'));
    const colors = Array.from({ length: w * h }, (_, i) => [...rgba.subarray(i * 4, i * 4 + 4)]);
    expect(Math.max(...colors.map((color) => distance(color, [200, 30, 30, 255])))).toBeLessThan(24);
  });

  it('ignores pixels that are transparent', async () => {
    const paint = (x: number) => (x < 150 ? [0, 255, 0, 0] : [0, 0, 255, 255]);
    const { info } = await gallery.show(await encoded(painted(200, 200, paint), 'png'));
    expect(distance(channelsOf(info.color), [0, 0, 255])).toBeLessThan(8);
    expect(thumbHashToAverageRGBA(Buffer.from(info.thumbhash, 'base64')).a).toBeLessThan(0.5);
  });

  it.each([1, 2, 4, 8])('shows the mean of stripes that are %i px wide', async (width) => {
    const paint = (x: number) => Array<number>(3).fill(((x / width) & 1) * 255);
    const { info } = await gallery.show(await encoded(painted(1024, 1024, paint), 'png'));
    const { r, g, b } = thumbHashToAverageRGBA(Buffer.from(info.thumbhash, 'base64'));
    const mean = [r, g, b].map((share) => share * 255);
    expect(distance(mean, [128, 128, 128])).toBeLessThan(24);
  });

  it('is a blurred picture of the avatar', async () => {
    const { info } = await gallery.show(await encoded(painted(320, 320, reference(320, 320)), 'png'));
    const { w, h, rgba } = thumbHashToRGBA(Buffer.from(info.thumbhash, 'base64'));
    const at = (x: number, y: number) => {
      const start = (Math.floor(y * h) * w + Math.floor(x * w)) * 4;
      return [...rgba.subarray(start, start + 3)];
    };
    const expected = [
      [0.2, 0.35, RED],
      [0.8, 0.2, GREEN],
      [0.2, 0.8, BLUE],
      [0.8, 0.8, YELLOW],
    ] as const;
    for (const [x, y, color] of expected) expect(distance(at(x, y), color)).toBeLessThan(90);
  });
});

const RED = [200, 30, 30];
const GREEN = [30, 160, 30];
const BLUE = [30, 30, 200];
const YELLOW = [220, 200, 40];

function channelsOf(color: string): number[] {
  expect(color).toMatch(/^#[0-9a-f]{6}$/);
  return [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16));
}

/** Converts by the matrices of both spaces (SMPTE EG 432-1 and IEC 61966-2-1), which share their curve and white point. */
function p3ToSrgb(color: Color): number[] {
  const matrix = [
    [1.2249401, -0.2249402, 0],
    [-0.0420569, 1.0420571, 0],
    [-0.0196376, -0.0786361, 1.0982735],
  ];
  const linear = color.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return matrix.map((row) => {
    const sum = row.reduce((total, factor, i) => total + factor * (linear[i] ?? 0), 0);
    const part = Math.min(Math.max(sum, 0), 1);
    return 255 * (part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055);
  });
}
