/** Whether this is a long programme (`npm run torture`) rather than `npm test`. */
export const TORTURE = process.env['TORTURE'] !== undefined;

/** The seed of all random choices: the same in every `npm test`, a new one for each long programme. */
export const SEED = Number(process.env['TEST_SEED'] ?? 20_261_126);

/** Everything in a long programme; only what `inGate` picks in `npm test`. */
export function sliceOf<T>(whole: readonly T[], inGate: (one: T) => boolean): T[] {
  return TORTURE ? [...whole] : whole.filter(inGate);
}

/** How often to try a property: so often in a long programme, a fifth of it in `npm test`. */
export function runs(whole: number): number {
  return TORTURE ? whole : whole / 5;
}
