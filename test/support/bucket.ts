import { S3Store, type S3StoreOptions } from '../../src/storage/s3/s3.store.js';
import { FaultProxy } from './fault-proxy.js';
import { createBucket, storeOptions, testS3 as s3 } from './s3.js';

/** Makes a bucket with the object `a/b`, and a new proxy in front of it for each test. Call it in a `describeS3`. */
export function bucketBehindProxy() {
  let bucket: string;
  let proxy: FaultProxy;

  beforeAll(async () => {
    if (!s3) return;
    bucket = await createBucket(s3);
    await new S3Store(storeOptions(s3, bucket)).store('a/b', Buffer.from('bytes'));
  });
  beforeEach(async () => {
    if (s3) proxy = await FaultProxy.start(s3.endpoint);
  });
  afterEach(() => proxy.stop());

  return {
    proxy: () => proxy,
    open: (options: Partial<S3StoreOptions> = {}) => {
      if (!s3) throw new Error('no S3 server');
      return new S3Store(storeOptions(s3, bucket, { endpoint: proxy.url, attempts: 1, ...options }));
    },
  };
}
