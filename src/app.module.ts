import { type DynamicModule, Module } from '@nestjs/common';
import { ApiModule } from './api/api.module.js';
import { AdoptionModule } from './avatars/adoption.module.js';
import { CdnModule } from './cdn/cdn.module.js';
import type { Settings } from './config/settings.js';
import { SettingsModule } from './config/settings.module.js';
import { DeliveryModule } from './delivery/delivery.module.js';
import { FailureLog } from './http/failure-log.js';
import { RefusalLog } from './http/refusal-log.js';
import { PictureObserver } from './images/observed.pipeline.js';
import { ServerLifecycle } from './lifecycle.js';
import { NestLogger } from './ops/logging.js';
import { Metrics } from './ops/metrics.js';
import { OpsModule } from './ops/ops.module.js';
import { Connections } from './server/connections.js';
import { StoreObserver } from './storage/observed.store.js';
import { UiModule } from './ui/ui.module.js';

/** What exists before the modules. */
interface Parts {
  settings: Settings;
  connections: Connections;
  failures: FailureLog;
  refusals: RefusalLog;
  log: NestLogger;
}

@Module({})
export class AppModule {
  static with({ settings, connections, failures, refusals, log }: Parts): DynamicModule {
    return {
      module: AppModule,
      // For what it exports, and since Nest calls the hooks of global modules last at the end: see
      // `ServerLifecycle`.
      global: true,
      imports: [
        SettingsModule.with(settings),
        AdoptionModule,
        ApiModule,
        CdnModule,
        DeliveryModule,
        OpsModule,
        UiModule,
      ],
      providers: [
        ServerLifecycle,
        { provide: Connections, useValue: connections },
        { provide: FailureLog, useValue: failures },
        { provide: RefusalLog, useValue: refusals },
        { provide: NestLogger, useValue: log },
        Metrics,
        { provide: StoreObserver, useExisting: Metrics },
        { provide: PictureObserver, useExisting: Metrics },
      ],
      exports: [Connections, FailureLog, RefusalLog, Metrics, StoreObserver, PictureObserver],
    };
  }
}
