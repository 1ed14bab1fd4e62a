import type { Settings } from '../config/settings.js';
import { LocalStore } from './local/local.store.js';
import type { ObjectStore } from './object-store.js';
import { S3Store } from './s3/s3.store.js';

/**
 * Opens the driver that the settings ask for. It does not touch the storage before the first call.
 * @param connections to a bucket at the same time; undefined: the SDK's default
 */
export function openStore(settings: Settings, connections?: number): ObjectStore {
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
    connections,
  });
}
