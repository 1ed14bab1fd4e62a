/** @returns a function that gives the same numbers from 0 to 1 for the same seed */
export function randoms(seed: number): () => number;
