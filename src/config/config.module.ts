import type { DynamicModule } from '@nestjs/common';
import { ConfigModule, type ConfigService } from '@nestjs/config';
import type { Settings } from './settings.js';

/** Nest's ConfigService, whose one entry is the settings as they were loaded. */
export type Config = ConfigService<{ settings: Settings }, true>;

/** The global ConfigModule over settings that were loaded and validated before there was an application. */
export function configModule(settings: Settings): Promise<DynamicModule> {
  return ConfigModule.forRoot({
    isGlobal: true,
    ignoreEnvFile: true,
    skipProcessEnv: true,
    load: [() => ({ settings })],
  });
}
