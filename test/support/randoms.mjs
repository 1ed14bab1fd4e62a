// Jest looks every global up in its sandbox, which costs more than all else that a hot loop does.
const { imul } = Math;

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
