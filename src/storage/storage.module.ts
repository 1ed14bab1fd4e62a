import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { GuardedStore } from './guarded.store.js';
import { ObjectStore } from './object-store.js';
import { ObservedStore, StoreObserver } from './observed.store.js';
import { openStore } from './open-store.js';

/** The token of the store before it is observed. */
export const UNOBSERVED = Symbol('the store before it is observed');

/** Gives the ObjectStore that the settings ask for, observed; a bucket is behind a circuit breaker. */
@Module({
  providers: [
    { provide: UNOBSERVED, inject: [ConfigService], useFactory: openGuarded },
    {
      provide: ObjectStore,
      inject: [UNOBSERVED, StoreObserver],
      useFactory: (store: ObjectStore, observer: StoreObserver) => new ObservedStore(store, observer),
    },
  ],
  exports: [ObjectStore, UNOBSERVED],
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
