import { LocalStore } from '../../src/storage/local/local.store.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { storeOptions, testS3 } from './s3.js';
import type { Environment } from './service.js';

/** Kept, because a new S3 client takes a while and tests look again and again. */
const opened = new Map<string, S3Store>();

/** Opens the storage of a running service, to look at its objects from outside. */
export function openBackend(environment: Environment): ObjectStore {
  const { STORAGE_LOCAL_PATH: path, STORAGE_S3_BUCKET: bucket } = environment;
  if (path !== undefined) return new LocalStore({ path, lockTimeoutMs: 240_000 });
  if (bucket === undefined || !testS3) throw new Error('not an environment of a backend');
  const store = opened.get(bucket) ?? new S3Store(storeOptions(testS3, bucket));
  opened.set(bucket, store);
  return store;
}
