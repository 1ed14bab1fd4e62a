import { GetBucketPolicyCommand, ListBucketsCommand } from '@aws-sdk/client-s3';
import { StorageRefused } from '../object-store.js';
import type { Bucket } from './bucket.js';
import { statusOf } from './s3-errors.js';

/**
 * Tries harmless reads that Visage never needs: keys that may do them may do too much.
 * @returns what they may do, for people
 * @throws an error of the port
 */
export async function tryAdministrativeReads(bucket: Bucket): Promise<string[]> {
  const found: string[] = [];
  await unlessRefused(bucket, async (abortSignal) => {
    const { Buckets: buckets = [] } = await bucket.client.send(new ListBucketsCommand({}), { abortSignal });
    // Many servers list only the buckets that the keys may use.
    const others = buckets.filter(({ Name: name }) => name !== bucket.name).length;
    if (others > 0) found.push(`list other buckets (${others})`);
  });
  await unlessRefused(bucket, async (abortSignal) => {
    const command = new GetBucketPolicyCommand({ Bucket: bucket.name });
    let policy: string | undefined = '{}';
    try {
      ({ Policy: policy } = await bucket.client.send(command, { abortSignal }));
    } catch (error) {
      // There is no policy, and the keys may know.
      if ((error as Error).name !== 'NoSuchBucketPolicy') throw error;
    }
    // Servers that do not know policies answer with something else.
    if (policy?.startsWith('{')) found.push("read the bucket's policy");
  });
  return found;
}

/** A server that does not know a call refuses it, too. */
async function unlessRefused(
  bucket: Bucket,
  call: (abortSignal: AbortSignal) => Promise<void>,
): Promise<void> {
  try {
    await bucket.withDeadline(async (abortSignal) => {
      try {
        await call(abortSignal);
      } catch (error) {
        if (statusOf(error) !== 501) throw error;
      }
    });
  } catch (error) {
    if (!(error instanceof StorageRefused)) throw error;
  }
}
