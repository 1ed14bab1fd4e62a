import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { Settings } from './settings.js';

/**
 * Provides the `Settings`, loaded and validated before there was an application, to every class that asks for
 * them. They pass through Nest's ConfigService, so that code that follows Nest's documentation finds them
 * there.
 */
@Global()
@Module({})
export class SettingsModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: SettingsModule,
      imports: [
        ConfigModule.forRoot({
          isGlobal: true,
          ignoreEnvFile: true,
          skipProcessEnv: true,
          load: [() => ({ settings })],
        }),
      ],
      providers: [
        {
          provide: Settings,
          inject: [ConfigService],
          useFactory: (config: ConfigService<{ settings: Settings }, true>): Settings =>
            config.get('settings', { infer: true }),
        },
      ],
      exports: [Settings],
    };
  }
}
