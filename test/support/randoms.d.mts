export function randoms(seed: number): () => number;
