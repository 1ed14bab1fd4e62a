import { LocalStore } from '../../src/storage/local/local.store.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { S3Store } from '../../src/storage/s3/s3.store.js';
import { type Backend, local } from './local.js';
import { createBucket, storeOptions, testS3 } from './s3.js';
import type { Environment } from './service.js';

/** All backends, for tests of what a store can change. */
export const backends: Backend[] = [local];

if (testS3) backends.push({ name: 's3', environment: s3Environment });

/** A new bucket, for tests in a `describeS3`. @throws {Error} if the S3 suite is left out */
export async function s3Environment(): Promise<Environment> {
  if (!testS3) throw new Error('SKIP_S3=1 leaves the S3 suite out');
  return {
    STORAGE_BACKEND: 's3',
    STORAGE_S3_ENDPOINT: testS3.endpoint,
    STORAGE_S3_REGION: testS3.region,
    STORAGE_S3_BUCKET: await createBucket(testS3),
    STORAGE_S3_ACCESS_KEY_ID: testS3.accessKeyId,
    STORAGE_S3_SECRET_ACCESS_KEY: testS3.secretAccessKey,
    STORAGE_S3_USE_PATH_STYLE: 'true',
  };
}

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
