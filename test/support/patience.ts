import { tmpdir } from 'node:os';

/** How long a test waits for something that has to come, in ms: longer than any machine takes. */
export const HANG_MS = 120_000;

/**
 * Deadlines that no machine is too slow for, in ms. The service and the program get them by default; a test of a deadline sets
 * its own. Those of the store are shorter, because a grace period has to be eight times as long.
 */
const PATIENCE: Record<string, string> = {
  STORAGE_S3_TIMEOUT_MS: '30000',
  CONSTANT_STORAGE_LOCAL_LOCK_TIMEOUT_MS: '30000',
  CONSTANT_AVATAR_COMMIT_TIMEOUT_MS: '30000',
  UPLOAD_TIMEOUT_MS: '120000',
  IMAGE_TIMEOUT_MS: '120000',
  CONSTANT_HEALTH_TIMEOUT_MS: '120000',
  SHUTDOWN_TIMEOUT_MS: '120000',
};

/** The environment of a service or program under test: from the machine it takes only the paths. */
export function environmentOf(settings: Record<string, string>): NodeJS.ProcessEnv {
  return {
    ...{ PATH: process.env['PATH'], TMPDIR: tmpdir(), NODE_NO_WARNINGS: '1' },
    ...PATIENCE,
    ...(settings['TEST_CLOCK_MS'] !== undefined && importing('standing-clock.mjs')),
    ...settings,
  };
}

/** The environment for a process that loads a file of this folder first. */
export function importing(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import ${new URL(file, import.meta.url).href}` };
}
