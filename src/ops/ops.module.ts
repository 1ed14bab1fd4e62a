import { Logger, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { OutboxModule } from '../outbox/outbox.module.js';
import { ObjectStore } from '../storage/object-store.js';
import { StorageModule } from '../storage/storage.module.js';
import { HealthController } from './health.controller.js';
import { StorageHealth } from './storage-health.js';

@Module({
  imports: [StorageModule, OutboxModule],
  controllers: [HealthController],
  providers: [
    {
      provide: StorageHealth,
      inject: [ConfigService, ObjectStore],
      useFactory: (config: Config, store: ObjectStore) =>
        new StorageHealth(store, config.get('settings', { infer: true }).healthMaxAgeMs),
    },
  ],
})
export class OpsModule implements OnApplicationBootstrap {
  private readonly logger = new Logger(OpsModule.name);

  constructor(
    private readonly store: ObjectStore,
    private readonly health: StorageHealth,
  ) {}

  /** A backend that is away does not keep the service from starting: readiness tells, and it may come back. */
  async onApplicationBootstrap(): Promise<void> {
    this.logger.log(`Using ${this.store.backend} storage backend: ${this.store.location}`);
    await this.health.ask();
  }
}
