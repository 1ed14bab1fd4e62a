import { LocalStore } from '../../src/storage/local.store.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3.store.js';
import { storeOptions, testS3 } from './s3.js';
import type { Environment } from './service.js';

/** The objects of a running service, seen from outside. */
export function openBackend(environment: Environment): ObjectStore {
  const { STORAGE_LOCAL_PATH: path, STORAGE_S3_BUCKET: bucket } = environment;
  if (path !== undefined) return new LocalStore({ path, lockTimeoutMs: 240_000 });
  if (bucket === undefined || !testS3) throw new Error('not an environment of a backend');
  return new S3Store(storeOptions(testS3, bucket));
}
