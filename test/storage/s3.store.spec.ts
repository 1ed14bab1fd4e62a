import { S3Store } from '../../src/storage/s3/s3.store.js';
import { describeObjectStore } from '../contract/object-store.contract.js';
import { createBucket, storeOptions, testS3 } from '../support/s3.js';

if (testS3) {
  const s3 = testS3;
  const bucket = await createBucket(s3);
  let opened = 0;
  describeObjectStore('s3', () => {
    const endpoint = s3.endpoints[opened++ % s3.endpoints.length] ?? s3.endpoint;
    return Promise.resolve(new S3Store(storeOptions(s3, bucket, { endpoint, publicEndpoint: s3.endpoint })));
  });
} else {
  it('was left out by SKIP_S3=1', () => {
    expect(process.env['SKIP_S3']).toBe('1');
  });
}
