import sharp, { type Sharp } from 'sharp';
import { RENDITION_FORMATS, type RenditionFormat } from '../../src/model/formats.js';
import { isWhole } from '../../src/images/is-whole.js';
import { noise, picture } from '../http/support/pictures.js';
import { painted, reference } from '../support/pictures.js';

/** The service's own settings, and others that an encoder has. */
const ENCODERS: Record<RenditionFormat, ((from: Sharp) => Sharp)[]> = {
  jpeg: [(from) => from.jpeg({ quality: 82 }), (from) => from.jpeg({ progressive: true, quality: 40 })],
  png: [(from) => from.png(), (from) => from.png({ palette: true })],
  webp: [
    (from) => from.webp({ quality: 80 }),
    (from) => from.webp({ lossless: true }),
    (from) => from.ensureAlpha(0.5).webp({ quality: 80 }),
  ],
  avif: [
    (from) => from.avif({ quality: 55, effort: 2 }),
    (from) => from.ensureAlpha(0.5).avif({ effort: 0 }),
  ],
  gif: [(from) => from.gif({ effort: 3 })],
};

const SOURCES: Record<string, () => Sharp> = {
  noise: () => noise(48, 48),
  'a drawing': () => painted(200, 200, reference(200, 200)),
  'one pixel': () => noise(1, 1),
};

const animations = async (): Promise<[RenditionFormat, Buffer][]> => {
  const source = await picture('animatedWebp');
  const moving = () => sharp(source, { animated: true });
  return [
    ['webp', await moving().webp({ quality: 80 }).toBuffer()],
    ['gif', await moving().gif({ effort: 3 }).toBuffer()],
  ];
};

/** Cuts a picture at every place, down to an empty one. */
function expectCutsNoticed(bytes: Buffer, format: RenditionFormat): void {
  expect(isWhole(bytes, format)).toBe(true);
  const missed = [];
  for (let length = 0; length < bytes.length; length++) {
    if (isWhole(bytes.subarray(0, length), format)) missed.push(length);
  }
  expect(missed).toEqual([]);
  // A file system may leave zeros after a power cut. WebP and AVIF state their length only at the beginning.
  if (format !== 'webp' && format !== 'avif') {
    const zeroed = Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2)]);
    expect(isWhole(zeroed, format)).toBe(false);
  }
  expect(isWhole(Buffer.concat([bytes, Buffer.alloc(1)]), format)).toBe(false);
  for (const other of RENDITION_FORMATS) expect(isWhole(bytes, other)).toBe(other === format);
}

describe.each(RENDITION_FORMATS)('a picture as %s', (format) => {
  it.each(Object.keys(SOURCES))('of %s is whole, and is not if it is cut off anywhere', async (name) => {
    for (const encode of ENCODERS[format]) {
      const source = SOURCES[name]?.() ?? noise(1, 1);
      expectCutsNoticed(await encode(sharp(await source.png().toBuffer())).toBuffer(), format);
    }
  });

  it('is not whole if it is something else', () => {
    for (const text of ['', 'a', 'GIF89a', 'GIF89a;', 'RIFF', '\0\0\0\x08ftypavif', '\xff\xd8\xff\xd9']) {
      const bytes = Buffer.from(text, 'latin1');
      for (const junk of [bytes, Buffer.concat([bytes, Buffer.alloc(64)])]) {
        expect([text, isWhole(junk, format)]).toEqual([
          text,
          text === '\xff\xd8\xff\xd9' && junk === bytes && format === 'jpeg',
        ]);
      }
    }
  });
});

it('an animation is whole, and is not if it is cut off anywhere', async () => {
  for (const [format, bytes] of await animations()) expectCutsNoticed(bytes, format);
});
