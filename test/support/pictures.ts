import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';

/** A colour as bytes: gray, RGB or RGBA. */
export type Color = readonly number[];
/** The colour of a point of a picture. */
export type Paint = (x: number, y: number) => Color;
export type Encoding = 'jpeg' | 'png' | 'webp';

/** A picture of our own painting, for sharp to encode. */
export function painted(width: number, height: number, paint: Paint): Sharp {
  const { data, channels } = pixels(width, height, paint);
  return sharp(data, { raw: { width, height, channels } });
}

/** Encodes so that next to nothing of the colours is lost: PNG loses nothing, nor does WebP; JPEG keeps 4:4:4. */
export function encoded(picture: Sharp, encoding: Encoding): Promise<Buffer> {
  if (encoding === 'png') return picture.png().toBuffer();
  if (encoding === 'webp') return picture.webp({ lossless: true }).toBuffer();
  return picture.jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer();
}

/** How far a picture is from another at the same size: the mean distance of their channels, 0-255. */
export async function difference(picture: Buffer, other: Buffer): Promise<number> {
  const { width, height } = await sharp(picture).metadata();
  const [a, b] = await Promise.all(
    [picture, other].map((one) =>
      sharp(one).resize(width, height).toColourspace('srgb').ensureAlpha().raw().toBuffer(),
    ),
  );
  if (!a || !b) throw new Error('two pictures were given');
  return meanDistance(a, b);
}

/** The mean distance of bytes at the same places. A plain loop: Jest makes globals and callbacks slow. */
export function meanDistance(a: Buffer, b: Buffer): number {
  const { length } = a;
  let sum = 0;
  for (let i = 0; i < length; i++) {
    const off = (a[i] ?? 0) - (b[i] ?? 0);
    sum += off < 0 ? -off : off;
  }
  return sum / length;
}

/** Red, green, blue and yellow quarters, and a white mark near the upper left corner: no two orientations look alike. */
export function reference(width: number, height: number): Paint {
  return (x, y) => {
    if (x >= width / 16 && x < width / 4 && y >= height / 16 && y < height / 8) return [255, 255, 255];
    if (y < height / 2) return x < width / 2 ? [200, 30, 30] : [30, 160, 30];
    return x < width / 2 ? [30, 30, 200] : [220, 200, 40];
  };
}

/**
 * Where in the upright picture the pixel in a column and row of the stored one belongs, by the value of the EXIF tag
 * Orientation: it says which sides of the upright picture the stored row 0 and column 0 are (TIFF 6.0, page 36).
 */
const UPRIGHT: readonly ((column: number, row: number, right: number, bottom: number) => [number, number])[] =
  [
    (column, row) => [column, row],
    (column, row, right) => [right - column, row],
    (column, row, right, bottom) => [right - column, bottom - row],
    (column, row, _right, bottom) => [column, bottom - row],
    (column, row) => [row, column],
    (column, row, right) => [right - row, column],
    (column, row, right, bottom) => [right - row, bottom - column],
    (column, row, _right, bottom) => [row, bottom - column],
  ];

/** A painting of these upright dimensions, stored so that only a viewer who minds the orientation (1 to 8) sees it upright. */
export function oriented(
  orientation: number,
  width: number,
  height: number,
  paint: Paint,
  encoding: Encoding = 'jpeg',
): Promise<Buffer> {
  const upright = UPRIGHT[orientation - 1];
  if (!upright) throw new RangeError(`no orientation ${orientation}`);
  const [storedWidth, storedHeight] = orientation > 4 ? [height, width] : [width, height];
  const stored = painted(storedWidth, storedHeight, (column, row) =>
    paint(...upright(column, row, width - 1, height - 1)),
  );
  return encoded(stored.keepExif().withMetadata({ orientation }), encoding);
}

/** One colour in CMYK, from 0 (no ink) to 255 each, without a profile. */
export function cmykJpeg(width: number, height: number, ink: readonly [number, number, number, number]) {
  const [cyan, ...others] = ink.map((value) => Buffer.alloc(width * height, value));
  const raw = { width, height, channels: 1 } as const;
  return sharp(cyan, { raw })
    .joinChannel(others, { raw })
    .toColourspace('cmyk')
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

/** A painting at 16 bits per channel: gray, RGB or RGBA. */
export function png16(width: number, height: number, paint: Paint): Promise<Buffer> {
  const { data, channels } = pixels(width, height, paint);
  const wide = new Uint16Array(data.length);
  for (const [i, value] of data.entries()) wide[i] = value * 257;
  return sharp(wide, { raw: { width, height, channels } })
    .toColourspace(channels === 1 ? 'grey16' : 'rgb16')
    .png()
    .toBuffer();
}

/** Frames of equal size, one below the other, as sharp takes and gives them. */
export function animation(width: number, height: number, frames: readonly Paint[]): Sharp {
  const painting: Paint = (x, y) => (frames[Math.floor(y / height)] ?? black)(x, y % height);
  const { data, channels } = pixels(width, height * frames.length, painting);
  return sharp(data, { raw: { width, height: height * frames.length, channels, pageHeight: height } });
}

/** The ICC profile that sharp brings along under a name. */
export async function profile(name: 'srgb' | 'p3'): Promise<Buffer> {
  const tagged = await painted(1, 1, black).withIccProfile(name).png().toBuffer();
  const { icc } = await sharp(tagged).metadata();
  if (!icc) throw new Error(`sharp has no profile ${name}`);
  return icc;
}

/** Says that the numbers of a PNG are meant by this profile, and leaves them as they are. */
export function pngWithProfile(png: Buffer, icc: Buffer): Buffer {
  return pngWithChunks(png, [
    'iCCP',
    Buffer.concat([Buffer.from('profile\0\0', 'latin1'), deflateSync(icc)]),
  ]);
}

/** Puts chunks right after the header of a PNG. */
export function pngWithChunks(png: Buffer, ...chunks: (readonly [type: string, data: Buffer | string])[]) {
  const headerEnd = 33;
  return Buffer.concat([png.subarray(0, headerEnd), ...chunks.map(pngChunk), png.subarray(headerEnd)]);
}

/** A few bytes of PNG whose header claims any size. */
export function pngClaiming(width: number, height: number): Buffer {
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const header = Buffer.concat([uint32(width), uint32(height), Buffer.from([8, 2, 0, 0, 0])]);
  const chunks = [
    ['IHDR', header] as const,
    ['IDAT', deflateSync(Buffer.alloc(99))] as const,
    ['IEND', ''] as const,
  ];
  return Buffer.concat([signature, ...chunks.map(pngChunk)]);
}

/** Puts segments right after the start of a JPEG. */
export function jpegWithSegments(
  jpeg: Buffer,
  ...segments: (readonly [marker: number, data: Buffer | string])[]
) {
  const written = segments.map(([marker, data]) => {
    const length = Buffer.byteLength(data) + 2;
    return Buffer.concat([Buffer.from([0xff, marker, length >> 8, length & 255]), Buffer.from(data)]);
  });
  return Buffer.concat([jpeg.subarray(0, 2), ...written, jpeg.subarray(2)]);
}

/** A word that stands in all metadata made here. */
export const SECRET = 'Geheimnis';

const XMP = `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description
 rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="${SECRET}"/></rdf:RDF></x:xmpmeta>`;

/** Has a painting tell all that a camera, a phone and an editor write down: who, where, when, with what. */
export async function talkative(picture: Sharp, encoding: Encoding | 'gif'): Promise<Buffer> {
  if (encoding === 'gif') {
    const gif = await picture.gif().toBuffer();
    const comment = Buffer.from(`\x21\xfe${String.fromCharCode(SECRET.length)}${SECRET}\0`, 'latin1');
    return Buffer.concat([gif.subarray(0, -1), comment, gif.subarray(-1)]);
  }
  const bytes = await encoded(
    picture
      .withIccProfile('p3')
      .withXmp(XMP)
      .withMetadata({ density: 301 })
      .withExifMerge({
        IFD0: { Artist: SECRET, Make: SECRET, ImageDescription: SECRET },
        IFD2: { UserComment: SECRET, DateTimeOriginal: '2001:02:03 04:05:06' },
        IFD3: {
          GPSLatitudeRef: 'N',
          GPSLatitude: '51/1 30/1 0/1',
          GPSLongitudeRef: 'E',
          GPSLongitude: '9/1 1/1 2/1',
        },
      }),
    encoding,
  );
  if (encoding === 'png') {
    return pngWithChunks(
      bytes,
      ['tEXt', `Author\0${SECRET}`],
      ['zTXt', Buffer.concat([Buffer.from('Comment\0\0', 'latin1'), deflateSync(SECRET)])],
      ['iTXt', `Title\0\0\0\0\0${SECRET}`],
      ['tIME', Buffer.from([7, 209, 2, 3, 4, 5, 6])],
    );
  }
  if (encoding === 'webp') return bytes;
  // A Photoshop resource block 0x0404 holds IPTC, here the byline, record 2:80.
  const iptc = `\x1c\x02\x50\0${String.fromCharCode(SECRET.length)}${SECRET}`;
  const resource = `Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0${String.fromCharCode(iptc.length)}${iptc}`;
  return jpegWithSegments(bytes, [0xed, Buffer.from(resource, 'latin1')], [0xfe, SECRET]);
}

function pixels(width: number, height: number, paint: Paint) {
  const channels = paint(0, 0).length as 1 | 3 | 4;
  const data = Buffer.alloc(width * height * channels);
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (const value of paint(x, y)) data[at++] = value;
    }
  }
  return { data, channels };
}

function pngChunk([type, data]: readonly [type: string, data: Buffer | string]): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Buffer.from(data)]);
  return Buffer.concat([uint32(body.length - 4), body, uint32(crc32(body))]);
}

function black(): Color {
  return [0, 0, 0];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
