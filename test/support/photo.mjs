import sharp from 'sharp';
import { randoms } from './randoms.mjs';

/**
 * A JPEG that is as hard to decode and encode as a photograph: noise whose strength falls with its frequency, as in
 * nature, the same for the same arguments.
 * @param {number} width px
 * @param {number} height px
 * @param {{ detail?: number, quality?: number, seed?: number }} [options] detail: how slowly the strength falls, 0-1
 */
export async function photo(width, height, { detail = 0.55, quality = 92, seed = 1 } = {}) {
  const next = randoms(seed);
  const sum = new Float32Array(width * height * 3);
  let strength = 90;
  for (let columns = 4; columns <= 2048; columns *= 2, strength *= detail) {
    const rows = Math.max(2, Math.round((columns * height) / width));
    const coarse = new Uint8Array(columns * rows * 3);
    for (let i = 0; i < coarse.length; i++) coarse[i] = next() * 256;
    const fine = await sharp(coarse, { raw: { width: columns, height: rows, channels: 3 } })
      .resize(width, height, { fit: 'fill', kernel: 'cubic' })
      .raw()
      .toBuffer();
    for (let i = 0; i < sum.length; i++) sum[i] += ((fine[i] - 128) / 128) * strength;
  }
  const pixels = new Uint8ClampedArray(sum.length);
  for (let i = 0; i < sum.length; i++) pixels[i] = sum[i] + 128;
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
}
