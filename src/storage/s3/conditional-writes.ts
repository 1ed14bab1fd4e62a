import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { PROBES } from '../../model/keys.js';
import { statusOf } from './s3-errors.js';

/** How a server wants the etag of an If-Match written. `none`: it ignores conditional writes, or does not know them. */
export type ConditionalWrites = 'quoted' | 'unquoted' | 'none';

/** How a put with a precondition ended. */
type Put = { etag: string } | 'failed' | 'not implemented';

/**
 * Finds out what conditional writes are worth in a bucket, with an object of its own that it removes again. `none` needs proof: the server
 * takes a write that had to fail, or knows no preconditions (501).
 * @throws what the SDK throws if a write fails for another reason than its precondition; an Error if the answers contradict one another, as
 * they do when a reply was lost on the way and the SDK repeated the request
 */
export async function probeConditionalWrites(
  client: S3Client,
  bucket: string,
  abortSignal: AbortSignal,
): Promise<ConditionalWrites> {
  for (let attempt = 1; ; attempt++) {
    const found = await probeOnce(client, { Bucket: bucket, Key: `${PROBES}${randomUUID()}` }, abortSignal);
    if (found !== undefined) return found;
    if (attempt === ATTEMPTS) throw new Error('the answers to conditional writes contradict one another');
  }
}

const ATTEMPTS = 3;

/** @returns undefined if the answers contradict one another */
async function probeOnce(
  client: S3Client,
  object: { Bucket: string; Key: string },
  abortSignal: AbortSignal,
): Promise<ConditionalWrites | undefined> {
  let written = 0;
  const put = async (precondition: { IfNoneMatch?: string; IfMatch?: string }): Promise<Put> => {
    const body = `written by Visage to learn what conditional writes do here, and removed at once (${++written})`;
    try {
      const command = new PutObjectCommand({ ...object, ...precondition, Body: body });
      const { ETag: etag } = await client.send(command, { abortSignal });
      return { etag: etag ?? '' };
    } catch (error) {
      // 501: AWS documents it for stores that do not implement a header.
      if (statusOf(error) === 501) return 'not implemented';
      if (statusOf(error) === 412) return 'failed';
      throw error;
    }
  };
  try {
    const first = await put({ IfNoneMatch: '*' });
    if (first === 'not implemented') return 'none';
    if (first === 'failed') return undefined;
    for (const failing of [{ IfNoneMatch: '*' }, { IfMatch: '"00000000000000000000000000000000"' }]) {
      if ((await put(failing)) !== 'failed') return 'none';
    }
    if (isTaken(await put({ IfMatch: first.etag }))) return 'quoted';
    return isTaken(await put({ IfMatch: first.etag.replaceAll('"', '') })) ? 'unquoted' : undefined;
  } finally {
    await client.send(new DeleteObjectCommand(object), { abortSignal });
  }
}

function isTaken(put: Put): boolean {
  return typeof put === 'object';
}
