import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { loadSettings } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { LocalStore } from '../storage/local/local.store.js';
import { MemoryStore } from '../storage/memory.store.js';
import type { ObjectStore } from '../storage/object-store.js';
import { openStore } from '../storage/open-store.js';
import { UsageError } from './command.js';

/** Where settings come from: as the service reads them, or for one store a YAML file of its own and nothing else. */
export interface SettingsSource {
  backend?: 'local' | 's3' | undefined;
  file?: string | undefined;
}

/** @throws InvalidSettings */
export function readSettings(
  environment: Record<string, string | undefined>,
  { backend, file }: SettingsSource,
  logger: Logger,
): Settings {
  const { settings, complaints } = loadSettings(
    {
      ...(file === undefined ? environment : { CONFIG_FILE: file }),
      ...(backend && { STORAGE_BACKEND: backend }),
      // Nobody can reach a command: it needs no API_KEYS, also in production.
      NODE_ENV: 'development',
    },
    file === undefined ? '.env' : '/dev/null',
  );
  for (const complaint of complaints) logger.error(complaint);
  return settings;
}

/** Opens a store that is expected to be there: a folder that is not would look like one without avatars. */
export function openExisting(settings: Settings): ObjectStore {
  const store = openStore(settings);
  if (store instanceof LocalStore && !existsSync(store.location)) {
    throw new UsageError(`There is no folder ${store.location}, which STORAGE_LOCAL_PATH names.`);
  }
  return store;
}

/** Opens a store to write to; for a look only, a folder that is not there is not made, and counts as empty. */
export function openTarget(settings: Settings, dryRun: boolean): ObjectStore {
  const store = openStore(settings);
  return dryRun && store instanceof LocalStore && !existsSync(store.location) ? new MemoryStore() : store;
}
