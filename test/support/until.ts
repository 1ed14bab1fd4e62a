import { setTimeout as sleep } from 'node:timers/promises';
import { HANG_MS } from './patience.js';

/**
 * Waits for something that has to come.
 * @param what for the error if it never comes; by default the condition as it is written
 */
export async function until(
  look: () => boolean | Promise<boolean>,
  what = `${String(look)} to hold`,
): Promise<void> {
  const giveUp = performance.now() + HANG_MS;
  while (!(await look())) {
    if (performance.now() > giveUp) throw new Error(`waited in vain for ${what}`);
    await sleep(10);
  }
}
