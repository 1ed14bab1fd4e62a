import { type DynamicModule, Module } from '@nestjs/common';
import { AvatarsModule } from './avatars/avatars.module.js';
import { GravatarModule } from './avatars/gravatar.module.js';
import { configModule } from './config/config.module.js';
import type { Settings } from './config/settings.js';
import { MetricsModule } from './ops/metrics.module.js';
import { OpsModule } from './ops/ops.module.js';

@Module({})
export class AppModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: AppModule,
      imports: [configModule(settings), AvatarsModule, GravatarModule, MetricsModule, OpsModule],
    };
  }
}
