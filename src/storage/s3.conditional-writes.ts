import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { statusOf } from './s3.outcome.js';

/** How a server wants the etag of an If-Match written; `none`: it ignores or does not know conditional writes. */
export type ConditionalWrites = 'quoted' | 'unquoted' | 'none';

/**
 * Finds out, on the real bucket and with an object of its own that it removes again, what conditional writes are worth
 * there. A server that ignores a precondition shows it by a write that should have failed.
 * @throws what the SDK throws where a write fails for another reason than its precondition
 */
export async function probeConditionalWrites(
  client: S3Client,
  bucket: string,
  abortSignal: AbortSignal,
): Promise<ConditionalWrites> {
  const probe = { Bucket: bucket, Key: `probes/${randomUUID()}` };
  let written = 0;
  const put = async (precondition: { IfNoneMatch?: string; IfMatch?: string }) => {
    const body = `written by Visage to learn what conditional writes do here, and removed at once (${++written})`;
    try {
      const answer = await client.send(new PutObjectCommand({ ...probe, ...precondition, Body: body }), {
        abortSignal,
      });
      return answer.ETag ?? '';
    } catch (error) {
      // 501: AWS documents it for stores that do not implement a header; 412, 409: the precondition did its work.
      if ([409, 412, 501].includes(statusOf(error) ?? 0)) return undefined;
      throw error;
    }
  };
  try {
    const etag = await put({ IfNoneMatch: '*' });
    if (etag === undefined) return 'none';
    if ((await put({ IfNoneMatch: '*' })) !== undefined) return 'none';
    if ((await put({ IfMatch: '"00000000000000000000000000000000"' })) !== undefined) return 'none';
    if ((await put({ IfMatch: etag })) !== undefined) return 'quoted';
    return (await put({ IfMatch: etag.replaceAll('"', '') })) === undefined ? 'none' : 'unquoted';
  } finally {
    await client.send(new DeleteObjectCommand(probe), { abortSignal });
  }
}
