import { randomUUID } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3StoreOptions } from '../../src/storage/s3/s3.store.js';

/** The server that `npm test` started or was given; undefined if SKIP_S3=1 leaves the S3 suite out. */
export const testS3 = readTestS3();

export interface TestS3 {
  /** At least one. Several are gateways to the same buckets. */
  endpoints: string[];
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** `describe` for tests that need the S3 server. */
export const describeS3 = testS3 ? describe : describe.skip;

/** Creates a new bucket. @returns its name */
export async function createBucket(s3: TestS3): Promise<string> {
  const bucket = `${process.env['TEST_BUCKETS'] ?? 'visage-test-'}${randomUUID()}`;
  await s3Client(s3).send(new CreateBucketCommand({ Bucket: bucket }));
  return bucket;
}

export function s3Client({ endpoint, region, accessKeyId, secretAccessKey }: TestS3): S3Client {
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
}

/** The options for an S3Store on the test server. */
export function storeOptions(
  s3: TestS3,
  bucket: string,
  options: Partial<S3StoreOptions> = {},
): S3StoreOptions {
  const { endpoint, region, accessKeyId, secretAccessKey } = s3;
  return {
    bucket,
    region,
    endpoint,
    usePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    // No test depends on the speed of the server.
    timeoutMs: 240_000,
    attempts: 3,
    ...options,
  };
}

function readTestS3(): TestS3 | undefined {
  const { SKIP_S3, TEST_S3_ENDPOINT, TEST_S3_ENDPOINTS, TEST_S3_REGION = 'us-east-1' } = process.env;
  const { TEST_S3_ACCESS_KEY_ID, TEST_S3_SECRET_ACCESS_KEY } = process.env;
  if (SKIP_S3 === '1') return undefined;
  if (!TEST_S3_ENDPOINT || !TEST_S3_ACCESS_KEY_ID || !TEST_S3_SECRET_ACCESS_KEY) {
    throw new Error('no S3 server: run the tests by "npm test", which starts one, or set SKIP_S3=1');
  }
  return {
    endpoint: TEST_S3_ENDPOINT,
    endpoints: TEST_S3_ENDPOINTS?.split(',') ?? [TEST_S3_ENDPOINT],
    region: TEST_S3_REGION,
    accessKeyId: TEST_S3_ACCESS_KEY_ID,
    secretAccessKey: TEST_S3_SECRET_ACCESS_KEY,
  };
}
