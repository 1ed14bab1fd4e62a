import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { SEED } from '../../support/programme.js';
import { randoms } from '../../support/randoms.mjs';

export type PictureName = 'jpeg' | 'png' | 'webp' | 'gif' | 'animatedGif' | 'animatedWebp';

export const PICTURES: readonly PictureName[] = ['jpeg', 'png', 'webp', 'gif', 'animatedGif', 'animatedWebp'];

const EDGE = 64;

const cache = new Map<PictureName, Promise<Buffer>>();

/** A small valid picture, 64 x 64 px; the animated ones have three frames. The same bytes each time. */
export function picture(name: PictureName): Promise<Buffer> {
  let made = cache.get(name);
  if (!made) cache.set(name, (made = make(name)));
  return made;
}

async function make(name: PictureName): Promise<Buffer> {
  const frames = await Promise.all([1, 2, 3].map((seed) => frame(seed)));
  const still = sharp(frames[0]);
  const animated = () => sharp(frames, { join: { animated: true } });
  switch (name) {
    case 'jpeg':
      return still.jpeg().toBuffer();
    case 'png':
      return still.png().toBuffer();
    case 'webp':
      return still.webp().toBuffer();
    case 'gif':
      return still.gif().toBuffer();
    case 'animatedGif':
      return animated().gif().toBuffer();
    case 'animatedWebp':
      return animated().webp().toBuffer();
  }
}

/** Shapes and some noise, so that no encoder can save much. */
function frame(seed: number): Promise<Buffer> {
  const pixels = Buffer.alloc(EDGE * EDGE * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (i * seed + ((i * i * 31) % 61) * seed) % 256;
  return sharp(pixels, { raw: { width: EDGE, height: EDGE, channels: 3 } })
    .png()
    .toBuffer();
}

/** Noise, of which no encoder can save much. The same each time. */
export function noise(width: number, height: number): Sharp {
  const random = randoms(SEED);
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) pixels[i] = 64 + 128 * random();
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export interface PngHeader {
  width: number;
  height: number;
  /** 1: black and white, 8: grey. */
  bits?: 1 | 8;
}

/** A PNG whose header and data may disagree about the size. */
export function pngOf(header: PngHeader, data: { width: number; height: number } = header): Buffer {
  const bits = header.bits ?? 8;
  const start = Buffer.alloc(13);
  start.writeUInt32BE(header.width, 0);
  start.writeUInt32BE(header.height, 4);
  start[8] = bits;
  const row = 1 + Math.ceil((data.width * bits) / 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', start),
    pngChunk('IDAT', deflateSync(Buffer.alloc(row * data.height))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** A small PNG whose bytes differ from those of any other text: https://www.w3.org/TR/png/#11tEXt */
export async function uniquePng(text: string): Promise<Buffer> {
  const plain = await picture('png');
  const header = 8 + 25;
  const comment = pngChunk('tEXt', Buffer.from(`Comment\0${text}`, 'latin1'));
  return Buffer.concat([plain.subarray(0, header), comment, plain.subarray(header)]);
}

/** The same JPEG with another size in its frame header. */
export function jpegClaiming(jpeg: Buffer, width: number, height: number): Buffer {
  const lying = Buffer.from(jpeg);
  const frameHeader = lying.indexOf(Buffer.from([0xff, 0xc0]));
  if (frameHeader < 0) throw new Error('no baseline frame header');
  lying.writeUInt16BE(height, frameHeader + 5);
  lying.writeUInt16BE(width, frameHeader + 7);
  return lying;
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}
