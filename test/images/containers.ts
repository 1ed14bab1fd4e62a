import sharp from 'sharp';

/** A chunk of a WebP: https://developers.google.com/speed/webp/docs/riff_container. */
export function chunk(id: string, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from(id), uint(4, data.length), data, Buffer.alloc(data.length % 2)]);
}

export function webp(...chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([
    Buffer.from('RIFF'),
    uint(4, 4 + byteLength(chunks)),
    Buffer.from('WEBP'),
    ...chunks,
  ]);
}

/** The chunks before the frames of an animation. */
export function canvas(width: number, height: number): Buffer {
  const header = Buffer.concat([uint(4, ANIMATION), uint(3, width - 1), uint(3, height - 1)]);
  return Buffer.concat([chunk('VP8X', header), chunk('ANIM', Buffer.alloc(6))]);
}

const ANIMATION = 2;

/** A frame of one pixel in the upper left corner, made of any chunks. */
export function frame(...chunks: readonly Buffer[]): Buffer {
  return chunk('ANMF', Buffer.concat([Buffer.alloc(12), uint(4, 100), ...chunks]));
}

/** The chunk with the bitstream of one pixel. */
export async function onePixel(): Promise<Buffer> {
  const create = { width: 1, height: 1, channels: 3, background: 'red' } as const;
  return (await sharp({ create }).webp({ lossless: true }).toBuffer()).subarray(12);
}

/** 60,000 frames in 2.8 MB. No decoder can read any of them. */
export function endlessWebp(): Buffer {
  return webp(canvas(16, 9), repeated(60_000, frame(chunk('VP8L', Buffer.alloc(14, 0xff)))));
}

/** An animation of 400 frames of 1024 px in 20 kB, which takes seconds to decode and encode. */
export async function longWebp(): Promise<Buffer> {
  return webp(canvas(1024, 1024), repeated(400, frame(await onePixel())));
}

/** A GIF of these blocks, without a global color table: GIF89a, sections 17 to 27. */
export function gif(width: number, height: number, ...blocks: readonly Buffer[]): Buffer {
  const screen = Buffer.concat([uint(2, width), uint(2, height), Buffer.alloc(3)]);
  return Buffer.concat([Buffer.from('GIF89a'), screen, ...blocks, Buffer.from(';')]);
}

/** A frame with the data of one pixel, whatever its size. */
export function gifFrame(width: number, height: number, left = 0, top = 0): Buffer {
  const place = [left, top, width, height].map((value) => uint(2, value));
  return Buffer.concat([Buffer.from(','), ...place, Buffer.from([0, 2, 2, 0x44, 1, 0])]);
}

/** A comment in sub-blocks of these lengths in bytes. */
export function gifComment(...lengths: readonly number[]): Buffer {
  const blocks = lengths.map((length) => Buffer.concat([uint(1, length), Buffer.alloc(length, 0x2c)]));
  return Buffer.concat([Buffer.from([0x21, 0xfe]), ...blocks, uint(1, 0)]);
}

export function repeated(times: number, bytes: Buffer): Buffer {
  return Buffer.alloc(times * bytes.length, bytes);
}

function byteLength(parts: readonly Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/** Little-endian. */
function uint(bytes: number, value: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntLE(value, 0, bytes);
  return buffer;
}
