import sharp, { type Sharp } from 'sharp';
import { photo } from '../support/photo.mjs';
import {
  animation,
  encoded,
  jpegWithSegments,
  oriented,
  painted,
  png16,
  pngClaiming,
  reference,
} from '../support/pictures.js';
import { Gallery, distance, framesOf, pixelsOf } from './gallery.js';

let gallery: Gallery;
beforeAll(async () => {
  gallery = await Gallery.open();
});
afterAll(async () => {
  expect(await gallery.close()).toBe(0);
});

const red = () => [255, 0, 0];
const jpeg = () => encoded(painted(64, 64, reference(64, 64)), 'jpeg');

/** A JPEG with a changed frame header, which begins with its marker. */
async function withFrameHeader(change: (header: Buffer) => void): Promise<Buffer> {
  const bytes = await jpeg();
  change(bytes.subarray(bytes.indexOf(Buffer.from([0xff, 0xc0]))));
  return bytes;
}

/** The first half of a picture that takes many bytes. */
async function half(encode: (picture: Sharp) => Sharp): Promise<Buffer> {
  const bytes = await encode(sharp(await photo(200, 200))).toBuffer();
  return bytes.subarray(0, bytes.length / 2);
}

describe('accepted', () => {
  it.each([
    ['one pixel in JPEG', () => encoded(painted(1, 1, red), 'jpeg'), 1],
    ['one pixel in PNG', () => encoded(painted(1, 1, red), 'png'), 1],
    ['one pixel in GIF', () => painted(1, 1, red).gif().toBuffer(), 1],
    ['one pixel in WebP', () => encoded(painted(1, 1, red), 'webp'), 1],
    [
      'one transparent pixel',
      () =>
        encoded(
          painted(1, 1, () => [255, 0, 0, 0]),
          'png',
        ),
      1,
    ],
    ['one pixel at 16 bits', () => png16(1, 1, red), 1],
    ['a line of 16384 px', () => encoded(painted(16_384, 1, red), 'png'), 1],
    ['a column of 16384 px', () => encoded(painted(1, 16_384, red), 'jpeg'), 1],
    ['a column that its orientation turns into a line', () => oriented(6, 9000, 2, red), 2],
    [
      'a line longer than WebP can be',
      () =>
        encoded(
          painted(65_000, 2, () => [255, 0, 0, 128]),
          'png',
        ),
      2,
    ],
  ] as const)('%s', async (_, picture, edge) => {
    const { info, as } = await gallery.show(await picture());
    expect(info).toMatchObject({ width: edge, height: edge, animated: false });
    for (const format of ['jpeg', 'png', 'webp']) {
      expect(await sharp(await as({ size: 16, format })).metadata()).toMatchObject({ width: edge, format });
    }
  });

  it('a JPEG with the wrong scan header that many phones write', async () => {
    const bytes = await jpeg();
    const scan = bytes.indexOf(Buffer.from([0xff, 0xda]));
    // The end of the spectral selection: 63 in a sequential JPEG (ITU-T T.81, B.2.3).
    const end = scan + 2 + bytes.readUInt16BE(scan + 2) - 2;
    expect(bytes[end]).toBe(63);
    const { master } = await gallery.show(await jpeg());
    bytes[end] = 0;
    const phone = await gallery.show(bytes);
    expect(phone.master.equals(master)).toBe(true);
  });

  it('a PNG with an alpha channel that is opaque', async () => {
    const { master } = await gallery.show(
      await encoded(
        painted(64, 64, () => [200, 30, 30, 255]),
        'png',
      ),
    );
    expect(distance((await pixelsOf(master)).at(0.5, 0.5), [200, 30, 30, 255])).toBeLessThan(8);
  });

  it('a JPEG with bytes after its end', async () => {
    const picture = Buffer.concat([await jpeg(), Buffer.from('<?php something else ?>')]);
    const { master } = await gallery.show(picture);
    expect(master.includes('php')).toBe(false);
  });

  it('a GIF with bytes after its trailer, with all its frames', async () => {
    const colors = [red, () => [0, 0, 255]];
    const whole = await animation(20, 20, colors).gif().toBuffer();
    for (const rest of [Buffer.alloc(2700), Buffer.from('<?php something else ?>')]) {
      const { info, master } = await gallery.show(Buffer.concat([whole, rest]));
      expect([info.animated, master.includes('php')]).toEqual([true, false]);
      expect(await framesOf(master)).toHaveLength(2);
    }
  });

  it('a JPEG with nonsense in its segments', async () => {
    const picture = jpegWithSegments(
      await jpeg(),
      [0xe1, 'Exif\0\0MM\0*\xff\xff\xff\xff'],
      [0xe2, 'MPF\0nonsense'],
      [0xed, 'Photoshop'],
    );
    expect((await gallery.show(picture)).info).toMatchObject({ width: 64 });
  });
});

describe('refused as unreadable', () => {
  it.each([
    ['a JPEG at 12 bits', () => withFrameHeader((header) => header.writeUInt8(12, 4))],
    ['a lossless JPEG', () => withFrameHeader((header) => header.writeUInt8(0xc3, 1))],
    ['a JPEG with no lines', () => withFrameHeader((header) => header.writeUInt16BE(0, 5))],
    ['half a JPEG', () => half((picture) => picture.jpeg())],
    ['half a progressive JPEG', () => half((picture) => picture.jpeg({ progressive: true }))],
    ['half a PNG', () => half((picture) => picture.png())],
    ['half a WebP', () => half((picture) => picture.webp())],
    [
      'half a GIF that continues with zeros up to a trailer',
      async () => {
        const part = await half((picture) => picture.gif());
        return Buffer.concat([part, Buffer.alloc(part.length), Buffer.from(';')]);
      },
    ],
    ['half a GIF', () => half((picture) => picture.gif())],
  ] as const)('%s', async (_, picture) => {
    expect(await gallery.refusal(await picture())).toBe('422 unreadable_image');
  });

  it('a JPEG that is arithmetic-coded, unless it can be read', async () => {
    const picture = await withFrameHeader((header) => header.writeUInt8(0xc9, 1));
    expect(await gallery.refusal(picture)).toMatch(/^(201 |422 unreadable_image)$/);
  });
});

it.each([
  [100_000, 100_000],
  [5000, 10_001],
])('refuses a picture that claims %i x %i px without decoding it', async (width, height) => {
  expect(await gallery.refusal(pngClaiming(width, height))).toBe('422 image_too_large');
});

it('says that a JPEG is too large, whatever else is refused at the same moment', async () => {
  const claiming = await withFrameHeader((header) => header.writeUInt16BE(65_535, 7));
  const damaged = await withFrameHeader((header) => header.writeUInt16BE(0, 7));
  for (let round = 0; round < 10; round++) {
    const pictures = [claiming, damaged, claiming, damaged, claiming, damaged];
    const refusals = await Promise.all(pictures.map((picture) => gallery.refusal(picture)));
    const [tooLarge, unreadable] = ['422 image_too_large', '422 unreadable_image'];
    expect(refusals).toEqual([tooLarge, unreadable, tooLarge, unreadable, tooLarge, unreadable]);
  }
});
