import type { RunningService } from './service.js';

export type Line = Record<string, unknown>;

/**
 * The lines of a service's log that have arrived whole and contain a text. They may come later than the answer
 * that tells of them.
 */
export function linesWith(service: RunningService, text: string): Line[] {
  return service
    .log()
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.includes(text))
    .map((line) => JSON.parse(line) as Line);
}
