import sharp from 'sharp';

// Jest looks every global up in its sandbox, which costs more than all else that a hot loop does.
const { imul } = Math;

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

/** The same numbers from 0 to 1 for the same seed: Mulberry32. */
export function randoms(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = imul(state ^ (state >>> 15), 1 | state);
    t = (t + imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
