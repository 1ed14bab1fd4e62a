import type { Settings } from '../config/settings.js';
import { LocalStore } from './local/local.store.js';
import type { DriverOptions, ObjectStore } from './object-store.js';
import { S3Store } from './s3/s3.store.js';

export interface OpenOptions extends DriverOptions {
  /** Connections to a bucket at the same time. Undefined: the SDK's default. */
  connections?: number;
}

/** Opens the driver that the settings ask for. It does not touch the storage before the first call. */
export function openStore(settings: Settings, options: OpenOptions = {}): ObjectStore {
  switch (settings.storageBackend) {
    case 'local':
      return openLocal(settings, options);
    case 's3':
      return openBucket(settings, options);
  }
}

function openLocal(settings: Settings, { onDiscardedRead }: OpenOptions): LocalStore {
  const { storageLocalPath: path, storageLocalLockTimeoutMs: lockTimeoutMs } = settings;
  return new LocalStore({ path, lockTimeoutMs, onDiscardedRead });
}

/** Opens the bucket of the settings, whatever backend they ask for. */
export function openBucket(settings: Settings, { connections, onDiscardedRead }: OpenOptions = {}): S3Store {
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
    onDiscardedRead,
  });
}
