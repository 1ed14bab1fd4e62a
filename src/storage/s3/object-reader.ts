import { type Readable, addAbortSignal } from 'node:stream';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import type { StoredObject } from '../object-store.js';
import { type Bucket, notS3 } from './bucket.js';
import { isMissingObject, statusOf } from './s3-errors.js';

/**
 * Reads an object whole.
 * @returns `unchanged` if it still has the etag `ifNoneMatch`; undefined if there is none
 */
export async function readObject(
  bucket: Bucket,
  key: string,
  deadline: AbortSignal,
  ifNoneMatch?: string,
): Promise<StoredObject | 'unchanged' | undefined> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(bucket, key, deadline, ifNoneMatch);
    } catch (error) {
      // The SDK has repeated requests that failed before the headers. A body that breaks off is ours to repeat.
      const again = error instanceof BodyBroken && attempt < bucket.attempts && !deadline.aborted;
      if (!again) throw error;
    }
  }
}

async function readOnce(
  bucket: Bucket,
  key: string,
  abortSignal: AbortSignal,
  ifNoneMatch: string | undefined,
): Promise<StoredObject | 'unchanged' | undefined> {
  let answer;
  try {
    const command = new GetObjectCommand({
      ...bucket.at(key),
      ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
    });
    answer = await bucket.client.send(command, { abortSignal });
  } catch (error) {
    if (statusOf(error) === 304) return 'unchanged';
    if (isMissingObject(error)) return undefined;
    throw error;
  }
  const bytes = await readBody(answer.Body as Readable, answer.ContentLength, abortSignal);
  if (answer.ETag === undefined) throw notS3();
  return { bytes, etag: answer.ETag, modifiedAt: answer.LastModified ?? new Date(0) };
}

/** The answer began well, and its body did not arrive whole. */
class BodyBroken extends Error {}

async function readBody(body: Readable, length: number | undefined, signal: AbortSignal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of addAbortSignal(signal, body)) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new BodyBroken('the body broke off', { cause: error });
  }
  const bytes = Buffer.concat(chunks);
  if (length !== undefined && bytes.length !== length) {
    throw new BodyBroken(`the body has ${bytes.length} of ${length} bytes`);
  }
  return bytes;
}
