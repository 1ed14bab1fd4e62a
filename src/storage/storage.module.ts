import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Config } from '../config/config.module.js';
import { LocalStore } from './local.store.js';
import { ObjectStore } from './object-store.js';
import { ObservedStore, StoreObserver } from './observed.store.js';
import { S3Store } from './s3.store.js';

/** Gives the ObjectStore that the settings ask for. */
@Module({
  providers: [
    {
      provide: ObjectStore,
      inject: [ConfigService, StoreObserver],
      useFactory: (config: Config, observer: StoreObserver) => new ObservedStore(openStore(config), observer),
    },
  ],
  exports: [ObjectStore],
})
export class StorageModule {}

function openStore(config: Config): ObjectStore {
  const settings = config.get('settings', { infer: true });
  if (settings.storageBackend === 'local') {
    return new LocalStore({
      path: settings.storageLocalPath,
      lockTimeoutMs: settings.storageLocalLockTimeoutMs,
    });
  }
  const { storageS3AccessKeyId: accessKeyId, storageS3SecretAccessKey: secretAccessKey } = settings;
  return new S3Store({
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
}
