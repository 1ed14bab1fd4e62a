import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { GuardedStore } from './guarded.store.js';
import { ObjectStore } from './object-store.js';
import { openStore } from './open-store.js';

/** Gives the ObjectStore that the settings ask for; a bucket behind a circuit breaker. */
@Module({
  providers: [{ provide: ObjectStore, inject: [ConfigService], useFactory: openGuarded }],
  exports: [ObjectStore],
})
export class StorageModule {}

function openGuarded(config: Config): ObjectStore {
  const settings = config.get('settings', { infer: true });
  const store = openStore(settings);
  if (settings.storageBackend === 'local') return store;
  return new GuardedStore(store, {
    failures: settings.storageS3BreakerFailures,
    resetMs: settings.storageS3BreakerResetMs,
  });
}
