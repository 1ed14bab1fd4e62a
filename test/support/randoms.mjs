// Jest looks up every global in its sandbox, which would cost more than the rest of a hot loop.
const { imul } = Math;

/** Random numbers from 0 to 1, the same ones for the same seed: Mulberry32. */
export function randoms(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = imul(state ^ (state >>> 15), 1 | state);
    t = (t + imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
