import sharp from 'sharp';
import { local } from '../support/local.js';
import { fileForm, form } from './support/client.js';
import { Harness } from './support/harness.js';
import { PICTURES, type PictureName, jpegClaiming, picture, pngOf } from './support/pictures.js';

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64" height="64"/></svg>';
const UNSUPPORTED = { status: 415, code: 'unsupported_image' };
const UNREADABLE = { status: 422, code: 'unreadable_image' };

const STRANGERS: [name: string, make: () => Promise<Buffer> | Buffer | string][] = [
  ['plain text', () => 'I am a picture.'],
  ['one byte', () => Buffer.of(0xff)],
  ['zeros', () => Buffer.alloc(4096)],
  ['an SVG', () => SVG],
  ['an SVG behind a declaration and blanks', () => `\n <?xml version="1.0"?>\n${SVG}`],
  ['a PDF', () => '%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\ntrailer<</Root 1 0 R>>\n%%EOF'],
  [
    'a TIFF',
    async () =>
      sharp(await picture('png'))
        .tiff()
        .toBuffer(),
  ],
  ['a BMP', () => Buffer.concat([Buffer.from('BM'), Buffer.alloc(52), Buffer.alloc(64 * 64 * 3, 200)])],
  [
    'an AVIF, which is off by default',
    async () =>
      sharp(await picture('png'))
        .avif()
        .toBuffer(),
  ],
  [
    'a HEIC',
    () => Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), Buffer.alloc(999)]),
  ],
  ['an HTML page', () => '<!doctype html><script>alert(1)</script>'],
  ['a ZIP', () => Buffer.concat([Buffer.from('PK\x03\x04\x14\0\0\0', 'latin1'), Buffer.alloc(999)])],
  ['a picture behind one byte too many', async () => Buffer.concat([Buffer.of(0), await picture('jpeg')])],
];

const DAMAGED: [name: string, make: () => Promise<Buffer> | Buffer][] = [
  ['a JPEG of nothing but its first bytes', () => Buffer.of(0xff, 0xd8, 0xff, 0, 0, 0)],
  ['a JPEG with a hole', async () => holed(await picture('jpeg'))],
  ['a PNG with a hole', async () => holed(await picture('png'))],
  ['a WebP with a hole', async () => holed(await picture('webp'))],
  ['a JPEG whose header says more than its data', async () => jpegClaiming(await picture('jpeg'), 640, 640)],
  [
    'a PNG whose header says more than its data',
    () => pngOf({ width: 64, height: 64 }, { width: 64, height: 8 }),
  ],
  ['a PNG whose header says it is empty', () => pngOf({ width: 0, height: 0 })],
  ['the signature of a PNG over a JPEG', async () => glued('png', 'jpeg')],
  ['the signature of a WebP over a GIF', async () => glued('webp', 'gif')],
];

const CUT: readonly PictureName[] = PICTURES;

describe('bad pictures', () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await Harness.start(await local.environment());
  });
  afterAll(() => harness.stop());

  it.each(STRANGERS)('refuses %s that is named .png', async (_, make) => {
    const bytes = Buffer.from(await make());
    expect(await harness.refusal(fileForm(bytes, 'me.png'))).toEqual(UNSUPPORTED);
    const headers = { 'content-type': 'image/png' };
    expect(await harness.refusal({ headers, body: bytes })).toEqual(UNSUPPORTED);
  });

  it.each(DAMAGED)('refuses %s', async (_, make) => {
    expect(await harness.refusal(fileForm(await make()))).toEqual(UNREADABLE);
  });

  it.each(CUT)('refuses a %s that is cut off at any point', async (name) => {
    const bytes = await picture(name);
    for (const share of [0.01, 0.1, 0.4, 0.7, 0.95]) {
      const body = bytes.subarray(0, Math.max(16, Math.floor(bytes.length * share)));
      expect(await harness.refusal({ body })).toEqual(UNREADABLE);
    }
  });

  it('keeps the current picture when a bad one arrives', async () => {
    const path = '/v1/avatars/stays';
    expect((await harness.put(path, { body: await picture('jpeg') })).status).toBe(201);
    const before = await harness.send({ path });
    const traces = await harness.traces();
    const body = form({ filename: 'me.png', content: SVG });
    expect((await harness.put(path, { ...fileForm(Buffer.alloc(0)), body })).status).toBe(415);
    await harness.cleanAs(traces);
    expect((await harness.send({ path })).body).toEqual(before.body);
  });
});

/** Overwrites a tenth of the bytes, in the middle. */
function holed(bytes: Buffer): Buffer {
  const length = Math.floor(bytes.length / 10);
  return Buffer.from(bytes).fill(0xff, bytes.length >> 1, (bytes.length >> 1) + length);
}

async function glued(head: PictureName, body: PictureName): Promise<Buffer> {
  return Buffer.concat([(await picture(head)).subarray(0, 16), (await picture(body)).subarray(16)]);
}
