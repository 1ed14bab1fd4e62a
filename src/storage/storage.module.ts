import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { S3_WAITING } from '../config/settings.js';
import { BoundedStore } from './bounded.store.js';
import { GuardedStore } from './guarded.store.js';
import { ObjectStore } from './object-store.js';
import { ObservedStore, StoreObserver } from './observed.store.js';
import { openStore } from './open-store.js';

/** The token of the store as it is called when a call has its turn. */
export const UNBOUNDED = Symbol('the store before it is bounded and observed');

/**
 * Gives the ObjectStore that the settings ask for, observed. A bucket is asked so much at a time, and is behind a circuit breaker: who
 * waits for a turn while the circuit opens is refused as soon as the turn comes.
 */
@Module({
  providers: [
    { provide: UNBOUNDED, inject: [ConfigService], useFactory: openGuarded },
    {
      provide: ObjectStore,
      inject: [ConfigService, UNBOUNDED, StoreObserver],
      useFactory: (config: Config, store: ObjectStore, observer: StoreObserver) =>
        new ObservedStore(bounded(config, store), observer),
    },
  ],
  exports: [ObjectStore, UNBOUNDED],
})
export class StorageModule {}

function openGuarded(config: Config): ObjectStore {
  const settings = config.get('settings', { infer: true });
  // The check of the storage waits for nobody's turn, and so needs a connection of its own.
  const store = openStore(settings, settings.storageS3Concurrency + 1);
  if (settings.storageBackend === 'local') return store;
  return new GuardedStore(store, {
    failures: settings.storageS3BreakerFailures,
    resetMs: settings.storageS3BreakerResetMs,
  });
}

function bounded(config: Config, store: ObjectStore): ObjectStore {
  const settings = config.get('settings', { infer: true });
  if (settings.storageBackend === 'local') return store;
  return new BoundedStore(store, {
    concurrency: settings.storageS3Concurrency,
    queue: settings.storageS3Queue,
    maxWaitMs: S3_WAITING * settings.storageS3TimeoutMs,
  });
}
