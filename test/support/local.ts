import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from './service.js';

/** A backend to run a suite on. Every call of `environment` gives a new, empty storage. */
export interface Backend {
  name: 'local' | 's3';
  environment(): Promise<Environment>;
}

/**
 * The backend for tests of what no store can change: the contract suite holds all drivers to the same behaviour. Not in backends.ts, so
 * that such a test needs no S3 server.
 */
export const local: Backend = {
  name: 'local',
  environment: async () => ({
    STORAGE_BACKEND: 'local',
    STORAGE_LOCAL_PATH: await mkdtemp(join(tmpdir(), 'visage-objects-')),
  }),
};
