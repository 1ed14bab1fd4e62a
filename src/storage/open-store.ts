import type { Settings } from '../config/settings.js';
import { LocalStore } from './local/local.store.js';
import type { ObjectStore } from './object-store.js';
import { S3Store } from './s3/s3.store.js';

/**
 * Opens the driver that the settings ask for. It does not touch the storage before the first call.
 * @param connections to a bucket at the same time; undefined: the SDK's default
 */
export function openStore(settings: Settings, connections?: number): ObjectStore {
  switch (settings.storageBackend) {
    case 'local':
      return openLocal(settings);
    case 's3':
      return openBucket(settings, connections);
  }
}

function openLocal({
  storageLocalPath: path,
  storageLocalLockTimeoutMs: lockTimeoutMs,
}: Settings): LocalStore {
  return new LocalStore({ path, lockTimeoutMs });
}

function openBucket(settings: Settings, connections: number | undefined): S3Store {
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
    connections,
  });
}
