import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { GuardedStore } from './guarded.store.js';
import { LocalStore } from './local.store.js';
import { ObjectStore } from './object-store.js';
import { ObservedStore, StoreObserver } from './observed.store.js';
import { S3Store } from './s3.store.js';

/** Gives the ObjectStore that the settings ask for, and the GuardedStore in it where that is a bucket, else undefined. */
@Module({
  providers: [
    { provide: GuardedStore, inject: [ConfigService], useFactory: openBucket },
    {
      provide: ObjectStore,
      inject: [ConfigService, StoreObserver, { token: GuardedStore, optional: true }],
      useFactory: (config: Config, observer: StoreObserver, bucket: GuardedStore | undefined) =>
        new ObservedStore(bucket ?? openFolder(config), observer),
    },
  ],
  exports: [ObjectStore, GuardedStore],
})
export class StorageModule {}

function openFolder(config: Config): LocalStore {
  const settings = config.get('settings', { infer: true });
  return new LocalStore({
    path: settings.storageLocalPath,
    lockTimeoutMs: settings.storageLocalLockTimeoutMs,
  });
}

function openBucket(config: Config): GuardedStore | undefined {
  const settings = config.get('settings', { infer: true });
  if (settings.storageBackend !== 's3') return undefined;
  const { storageS3AccessKeyId: accessKeyId, storageS3SecretAccessKey: secretAccessKey } = settings;
  const store = new S3Store({
    bucket: settings.storageS3Bucket ?? '',
    region: settings.storageS3Region,
    endpoint: settings.storageS3Endpoint,
    publicEndpoint: settings.storageS3PublicEndpoint,
    usePathStyle: settings.storageS3UsePathStyle,
    credentials:
      accessKeyId !== undefined && secretAccessKey !== undefined
        ? { accessKeyId, secretAccessKey }
        : undefined,
    timeoutMs: settings.storageS3TimeoutMs,
    attempts: settings.storageS3Attempts,
  });
  return new GuardedStore(store, {
    failures: settings.storageS3BreakerFailures,
    resetMs: settings.storageS3BreakerResetMs,
  });
}
