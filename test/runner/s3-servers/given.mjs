import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { clientOf } from './client.mjs';

const DELETES_AT_ONCE = 16;

/**
 * A server that runs already, and outlives the run.
 * @param {Record<string, string>} environment TEST_S3_*
 * @param {string} buckets the prefix of the run's bucket names, which are removed in the end
 */
export function takeGiven(environment, buckets) {
  return { environment, stop: () => removeBuckets(environment, buckets) };
}

async function removeBuckets(environment, prefix) {
  const client = clientOf(environment);
  const limit = pLimit(DELETES_AT_ONCE);
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  for (const { Name: Bucket = '' } of Buckets) {
    if (!Bucket.startsWith(prefix)) continue;
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
      await limit.map(Contents, ({ Key }) => client.send(new DeleteObjectCommand({ Bucket, Key })));
    }
    await client.send(new DeleteBucketCommand({ Bucket }));
  }
  client.destroy();
}
