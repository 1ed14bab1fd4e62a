import { existsSync, statSync } from 'node:fs';
import type { Logger } from 'pino';
import { CDN_CHECK } from '../cdn/check-settings.js';
import { loadSettings } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { LocalStore } from '../storage/local/local.store.js';
import { MemoryStore } from '../storage/memory.store.js';
import type { ObjectStore } from '../storage/object-store.js';
import { openStore } from '../storage/open-store.js';
import { UsageError } from './command.js';

/**
 * Where settings come from: the sources of the service, or for one store a YAML file of its own and nothing
 * else.
 */
export interface SettingsSource {
  backend?: 'local' | 's3' | undefined;
  file?: string | undefined;
}

/** @throws InvalidSettings; UsageError if there is no such file, or no such backend */
export function readSettings(
  environment: Record<string, string | undefined>,
  { backend, file }: SettingsSource,
  logger: Logger,
): Settings {
  if (file !== undefined && !existsSync(file)) throw new UsageError(`There is no file ${file}.`);
  const { settings, complaints, warnings, unknownBackend } = loadSettings(
    {
      ...(file === undefined ? environment : { CONFIG_FILE: file }),
      ...(backend && { STORAGE_BACKEND: backend }),
      // Nobody can reach a command, so it needs no API_KEYS, even in production.
      NODE_ENV: 'development',
    },
    CDN_CHECK,
    file === undefined ? '.env' : '/dev/null',
  );
  if (unknownBackend !== undefined) {
    throw new UsageError(
      `STORAGE_BACKEND is ${JSON.stringify(unknownBackend)}, which is neither local nor s3. Set it to one of the two.`,
    );
  }
  for (const complaint of complaints) logger.error(complaint);
  for (const warning of warnings) logger.warn(warning);
  return settings;
}

/** Opens a store that has to be there. A missing folder would look like a store without avatars. */
export function openExisting(settings: Settings): ObjectStore {
  const store = openStore(settings);
  if (store instanceof LocalStore && isMissing(store.location)) {
    throw new UsageError(
      `There is no folder ${store.location}. Set STORAGE_LOCAL_PATH to the one with the avatars.`,
    );
  }
  return store;
}

/** Opens a store to write to. A dry run does not make a missing folder, which counts as empty. */
export function openTarget(settings: Settings, dryRun: boolean): ObjectStore {
  const store = openStore(settings);
  return dryRun && store instanceof LocalStore && isMissing(store.location) ? new MemoryStore() : store;
}

/** Whether there is nothing at a path. If this user may not look, the first call to the store says so. */
function isMissing(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) === undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EACCES';
  }
}

/**
 * Keeps root from writing files that the service, which runs as the folder's owner, could not read.
 * @throws UsageError if root runs the command and the folder belongs to somebody else
 */
export function assertOwnFolder(store: ObjectStore): void {
  if (process.getuid?.() !== 0 || !(store instanceof LocalStore)) return;
  const { uid, gid } = statSync(store.location, { throwIfNoEntry: false }) ?? { uid: 0, gid: 0 };
  if (uid === 0) return;
  throw new UsageError(
    `The folder ${store.location} belongs to user ${uid}. Run the command as that user, for example: ` +
      `setpriv --reuid=${uid} --regid=${gid} --clear-groups visage ...`,
  );
}
