import { Module } from '@nestjs/common';
import { S3_WAITING, Settings } from '../config/settings.js';
import { BoundedStore } from './bounded.store.js';
import { DiscardedReads } from './discarded-reads.js';
import { GuardedStore, StorageCircuit } from './guarded.store.js';
import { type DriverOptions, ObjectStore } from './object-store.js';
import { ObservedStore, StoreObserver } from './observed.store.js';
import { openStore } from './open-store.js';

/**
 * Provides the ObjectStore that the settings ask for. A program that wants to observe it provides a
 * StoreObserver.
 */
@Module({
  providers: [
    DiscardedReads,
    { provide: StorageCircuit, inject: [Settings], useFactory: openCircuit },
    {
      provide: ObjectStore,
      inject: [Settings, StorageCircuit, DiscardedReads, { token: StoreObserver, optional: true }],
      useFactory: (
        settings: Settings,
        circuit: StorageCircuit,
        { add: onDiscardedRead }: DiscardedReads,
        observer?: StoreObserver,
      ) => {
        const store =
          settings.storageBackend === 'local'
            ? openStore(settings, { onDiscardedRead })
            : openBucket(settings, circuit, { onDiscardedRead });
        return observer ? new ObservedStore(store, observer) : store;
      },
    },
  ],
  exports: [ObjectStore, StorageCircuit, DiscardedReads],
})
export class StorageModule {}

function openCircuit(settings: Settings): StorageCircuit {
  return new StorageCircuit({
    failures: settings.storageS3BreakerFailures,
    resetMs: settings.storageS3BreakerResetMs,
  });
}

/**
 * A bucket gets only so many calls at a time, and is behind the circuit breaker. The queue is in front, so
 * that calls that wait when the circuit opens fail as soon as their turn comes.
 */
function openBucket(settings: Settings, circuit: StorageCircuit, options: DriverOptions): ObjectStore {
  // `check` does not queue, and so needs a connection of its own.
  const bucket = openStore(settings, { ...options, connections: settings.storageS3Concurrency + 1 });
  return new BoundedStore(new GuardedStore(bucket, circuit), {
    concurrency: settings.storageS3Concurrency,
    queue: settings.storageS3Queue,
    maxWaitMs: S3_WAITING * settings.storageS3TimeoutMs,
  });
}
