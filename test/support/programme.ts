import fc from 'fast-check';

/** Whether a long programme runs (`npm run torture`), and not the gate. */
export const TORTURE = process.env['TORTURE'] !== undefined;

/** What all chance in the tests follows from: the same in each run of the gate, another in each of a long programme. */
export const SEED = Number(process.env['TEST_SEED'] ?? 20_261_126);

/** All of it in a long programme; in the gate what `inGate` picks. */
export function sliceOf<T>(whole: readonly T[], inGate: (one: T) => boolean): T[] {
  return TORTURE ? [...whole] : whole.filter(inGate);
}

fc.configureGlobal({ seed: SEED });
