import { type DynamicModule, type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AvatarsModule } from '../avatars/avatars.module.js';
import { Settings } from '../config/settings.js';
import { SettingsModule } from '../config/settings.module.js';
import { NestLogger } from '../ops/logging.js';
import { ObjectStore } from '../storage/object-store.js';
import type { Task } from './command.js';

@Module({})
class AvatarsAppModule {
  static with(settings: Settings, more: readonly Type[]): DynamicModule {
    return { module: AvatarsAppModule, imports: [SettingsModule.with(settings), AvatarsModule, ...more] };
  }
}

/**
 * The part of the service that changes avatars, without HTTP. A command uses it like a service of its own.
 */
export interface AvatarsApp {
  app: INestApplicationContext;
  settings: Settings;
  store: ObjectStore;
}

/**
 * Starts it for a command. The caller closes `app`.
 * @param more modules that the command needs
 * @throws CodedError `storage_unavailable` if the storage cannot be used; a dry run does not try it
 */
export async function openAvatars(
  { dryRun, concurrency, logger }: Task,
  settings: Settings,
  more: readonly Type[] = [],
): Promise<AvatarsApp> {
  // Accepted pictures have to be in the store when the process ends, and no picture that it reads may be
  // turned away.
  const own = { storageFallback: 'none', imageQueue: Math.max(settings.imageQueue, concurrency) } as const;
  const applied = Object.assign(new Settings(), settings, own);
  const app = await NestFactory.createApplicationContext(AvatarsAppModule.with(applied, more), {
    logger: new NestLogger(logger),
  });
  const store = app.get(ObjectStore, { strict: false });
  if (!dryRun) await store.check();
  return { app, settings: applied, store };
}
