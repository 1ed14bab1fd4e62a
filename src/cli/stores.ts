import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import { loadSettings } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { LocalStore } from '../storage/local/local.store.js';
import { MemoryStore } from '../storage/memory.store.js';
import type { ObjectStore } from '../storage/object-store.js';
import { openStore } from '../storage/open-store.js';
import { UsageError } from './command.js';

/** Where settings come from: the sources of the service, or for one store a YAML file of its own and nothing else. */
export interface SettingsSource {
  backend?: 'local' | 's3' | undefined;
  file?: string | undefined;
}

/** @throws InvalidSettings; UsageError if there is no such file */
export function readSettings(
  environment: Record<string, string | undefined>,
  { backend, file }: SettingsSource,
  logger: Logger,
): Settings {
  if (file !== undefined && !existsSync(file)) throw new UsageError(`There is no file ${file}.`);
  const { settings, complaints, warnings } = loadSettings(
    {
      ...(file === undefined ? environment : { CONFIG_FILE: file }),
      ...(backend && { STORAGE_BACKEND: backend }),
      // Nobody can reach a command, so it needs no API_KEYS, even in production.
      NODE_ENV: 'development',
    },
    file === undefined ? '.env' : '/dev/null',
  );
  for (const complaint of complaints) logger.error(complaint);
  for (const warning of warnings) logger.warn(warning);
  return settings;
}

/** Opens a store that has to be there. A missing folder would look like a store without avatars. */
export function openExisting(settings: Settings): ObjectStore {
  const store = openStore(settings);
  if (store instanceof LocalStore && !existsSync(store.location)) {
    throw new UsageError(
      `There is no folder ${store.location}. Set STORAGE_LOCAL_PATH to the one with the avatars.`,
    );
  }
  return store;
}

/** Opens a store to write to. A dry run does not make a missing folder, which counts as empty. */
export function openTarget(settings: Settings, dryRun: boolean): ObjectStore {
  const store = openStore(settings);
  return dryRun && store instanceof LocalStore && !existsSync(store.location) ? new MemoryStore() : store;
}
