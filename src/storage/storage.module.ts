import { Module } from '@nestjs/common';
import { S3_WAITING, Settings } from '../config/settings.js';
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
    { provide: UNBOUNDED, inject: [Settings], useFactory: openGuarded },
    {
      provide: ObjectStore,
      inject: [Settings, UNBOUNDED, { token: StoreObserver, optional: true }],
      useFactory: (settings: Settings, store: ObjectStore, observer: StoreObserver | undefined) => {
        const whole = bounded(settings, store);
        return observer ? new ObservedStore(whole, observer) : whole;
      },
    },
  ],
  exports: [ObjectStore, UNBOUNDED],
})
export class StorageModule {}

function openGuarded(settings: Settings): ObjectStore {
  // The check of the storage waits for nobody's turn, and so needs a connection of its own.
  const store = openStore(settings, settings.storageS3Concurrency + 1);
  if (settings.storageBackend === 'local') return store;
  return new GuardedStore(store, {
    failures: settings.storageS3BreakerFailures,
    resetMs: settings.storageS3BreakerResetMs,
  });
}

function bounded(settings: Settings, store: ObjectStore): ObjectStore {
  if (settings.storageBackend === 'local') return store;
  return new BoundedStore(store, {
    concurrency: settings.storageS3Concurrency,
    queue: settings.storageS3Queue,
    maxWaitMs: S3_WAITING * settings.storageS3TimeoutMs,
  });
}
