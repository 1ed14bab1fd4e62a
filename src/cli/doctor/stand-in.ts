import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { Settings } from '../../config/settings.js';
import { nearestFolder } from './disks.js';

/**
 * Works with the settings of a storage that can be tried. Before the first start, a local one is not there,
 * and to make it is up to the service: a temporary folder on the same disk stands in for it, and is removed
 * in the end.
 * @param work gets the settings to open stores with, and the folder that the stand-in is in, if there is one
 */
export async function withStandIn<T>(
  settings: Settings,
  logger: Logger,
  work: (settings: Settings, standIn?: string) => Promise<T>,
): Promise<T> {
  const path = resolve(settings.storageLocalPath);
  if (settings.storageBackend !== 'local' || existsSync(path)) return work(settings);
  const parent = nearestFolder(dirname(path));
  let folder: string;
  try {
    folder = await mkdtemp(join(parent, '.visage-doctor-'));
  } catch (error) {
    // The check of the disks tries the same, and reports it.
    logger.debug({ err: error }, 'no folder could be made');
    return work(settings);
  }
  try {
    return await work(Object.assign(new Settings(), settings, { storageLocalPath: folder }), parent);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
