import { importing } from './patience.js';
import type { RunningService } from './service.js';

/**
 * The environment for a child process whose Date stands still.
 *
 * An S3 server refuses requests that are signed more than 15 minutes before or after its own time.
 * @param ms since 1970
 */
export function clockAt(ms: number): Record<string, string> {
  return { TEST_CLOCK_MS: String(ms) };
}

/** The environment for a service whose monotonic clock stands still, except for these steps, which `moveClock` makes one after the other. */
export function clockMovedBy(...stepsMs: number[]): Record<string, string> {
  return { TEST_CLOCK_STEPS_MS: stepsMs.join(), ...importing('moved-clock.mjs') };
}

/** Makes the next step of a clock. @param left how many steps then follow it */
export async function moveClock(service: RunningService, left: number): Promise<void> {
  service.process.kill('SIGUSR2');
  await service.logged(new RegExp(`^${left} moves of the clock are left`, 'm'));
}
