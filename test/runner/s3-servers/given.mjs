import {
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListBucketsCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { clientOf } from './client.mjs';

const DELETES_AT_ONCE = 16;

/** How long the server may take for its first answer, in ms. */
const ANSWER_MS = 30_000;

/**
 * Makes sure that a server answers to its keys, before anything is built for it.
 * @param {Record<string, string | undefined>} environment TEST_S3_*
 * @throws {Error} that says what is missing
 */
export async function assertUsable(environment) {
  const { TEST_S3_ENDPOINT: url } = environment;
  const missing = ['TEST_S3_ACCESS_KEY_ID', 'TEST_S3_SECRET_ACCESS_KEY'].filter((name) => !environment[name]);
  if (missing.length > 0) throw new Error(`${missing.join(' and ')} must be set to the keys for ${url}`);
  console.log(`asking ${url} for its buckets`);
  const client = clientOf(environment, { maxAttempts: 1 });
  try {
    await client.send(new ListBucketsCommand({}), { abortSignal: globalThis.AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw new Error(
      `${url} cannot be used: ${[error.code ?? error.name, error.message].filter(Boolean).join(': ')}`,
      {
        cause: error,
      },
    );
  } finally {
    client.destroy();
  }
}

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
