import { setTimeout as sleep } from 'node:timers/promises';
import { HANG_MS, importing } from './patience.js';
import type { Environment, RunningService } from './service.js';

/** The environment for a service whose memory can be read by `heldBy`. */
export const MEASURED: Environment = importing('memory-on-signal.mjs');

/** Collects the garbage of a service. @returns what something still points at, on the heap of JavaScript and beside it, in bytes */
export async function heldBy(service: RunningService): Promise<number> {
  const from = service.log().length;
  service.process.kill('SIGUSR2');
  const giveUp = performance.now() + HANG_MS;
  for (;;) {
    const [, found] = /^MEMORY (.*)\n/m.exec(service.log().slice(from)) ?? [];
    if (found !== undefined) {
      const { heapUsed, external } = JSON.parse(found) as NodeJS.MemoryUsage;
      return heapUsed + external;
    }
    if (performance.now() > giveUp) throw new Error('the service does not tell its memory');
    await sleep(5);
  }
}
