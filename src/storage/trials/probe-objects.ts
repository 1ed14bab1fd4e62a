import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { PROBES } from '../../model/keys.js';
import type { ObjectStore } from '../object-store.js';

/**
 * When a trial ends: after so many rounds, or with the round in which the signal is aborted. At least one of
 * the two has to be given.
 */
export interface TrialBound {
  rounds?: number;
  until?: AbortSignal;
}

/** Runs rounds one after the other, at least one. @returns how many it ran */
export async function runRounds(
  { rounds = Infinity, until }: TrialBound,
  round: (number: number) => Promise<unknown>,
): Promise<number> {
  let number = 0;
  do {
    await round(++number);
    // A store in memory would otherwise never let the timer of a signal fire.
    await setImmediate();
  } while (number < rounds && !until?.aborted);
  return number;
}

/**
 * Runs a trial with a new key below `probes/`, and removes its object, also if the trial fails.
 * @throws what the trial throws, or else what the removal throws
 */
export async function withProbe<T>(store: ObjectStore, trial: (key: string) => Promise<T>): Promise<T> {
  const key = `${PROBES}${randomUUID()}`;
  const remove = () => store.delete(key);
  try {
    const result = await trial(key);
    await remove();
    return result;
  } catch (error) {
    // The reader of the report needs the first error. A storage that is away would give the same one again.
    await remove().catch(() => undefined);
    throw error;
  }
}

/**
 * As `Promise.all`, but waits for all also if one fails: none of them may write any more when its object is
 * removed.
 */
export async function allEnded<T>(tasks: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(tasks);
  return Promise.all(tasks);
}
