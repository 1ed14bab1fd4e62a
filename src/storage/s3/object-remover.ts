import { createHash } from 'node:crypto';
import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3';
import pLimit from 'p-limit';
import { StorageRefused } from '../object-store.js';
import type { Bucket } from './bucket.js';
import { isMissingObject, statusOf, translateS3Error } from './s3-errors.js';

/** Keys in one batch: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html */
const BATCH = 1000;

/** Requests at the same time, if objects are deleted one by one. */
const CONCURRENCY = 8;

/**
 * Keys that go into a batch. It is XML, which cannot hold every character, and in which servers may trim
 * spaces.
 */
const PLAIN = /^[\x21-\x7e]+$/;

/**
 * Deletes objects: several by a batch, if the server knows batches. An object that a batch has not deleted is
 * deleted alone, which also tells why that fails.
 */
export class ObjectRemover {
  private batches = true;

  constructor(private readonly bucket: Bucket) {}

  /** @throws an error of the port */
  async remove(key: string): Promise<void> {
    if (key === '') throw new TypeError('not an object key: ""');
    await this.bucket.withDeadline(async (abortSignal) => {
      try {
        await this.bucket.client.send(new DeleteObjectCommand(this.bucket.at(key)), { abortSignal });
      } catch (error) {
        if (!isMissingObject(error)) throw error;
      }
    });
  }

  /** @throws an error of the port */
  async removeMany(keys: readonly string[]): Promise<void> {
    const wanted = [...new Set(keys)];
    const batched = wanted.filter((key) => PLAIN.test(key));
    const alone = wanted.filter((key) => !PLAIN.test(key));
    for (let i = 0; i < batched.length; i += BATCH) await this.removeBatch(batched.slice(i, i + BATCH));
    await this.removeEach(alone);
  }

  private async removeBatch(keys: readonly string[]): Promise<void> {
    if (!this.batches || keys.length === 1) {
      await this.removeEach(keys);
      return;
    }
    const deleted = await this.bucket.withDeadline((deadline) => this.sendBatch(keys, deadline));
    if (deleted) {
      await this.removeEach(keys.filter((key) => !deleted.has(key)));
      return;
    }
    const [first = '', ...others] = keys;
    await this.remove(first);
    // The server deletes objects, and takes no batches.
    this.batches = false;
    await this.removeEach(others);
  }

  /**
   * @returns the keys that the server says it deleted; undefined if it refuses the batch.
   * @throws what the SDK throws
   */
  private async sendBatch(
    keys: readonly string[],
    abortSignal: AbortSignal,
  ): Promise<ReadonlySet<string> | undefined> {
    const command = new DeleteObjectsCommand({
      Bucket: this.bucket.name,
      Delete: { Objects: keys.map((Key) => ({ Key })) },
    });
    // AWS takes this or a newer checksum, which the SDK adds. Older servers know only this one.
    command.middlewareStack.add(
      (next) => (args) => {
        const { body, headers } = args.request as BuiltRequest;
        headers['Content-MD5'] = createHash('md5').update(body).digest('base64');
        return next(args);
      },
      { step: 'build', priority: 'low' },
    );
    try {
      const { Deleted: deleted = [] } = await this.bucket.client.send(command, { abortSignal });
      return new Set(deleted.flatMap(({ Key: key }) => key ?? []));
    } catch (error) {
      const refused = statusOf(error) === 501 || translateS3Error(error) instanceof StorageRefused;
      if (!refused) throw error;
      return undefined;
    }
  }

  private async removeEach(keys: readonly string[]): Promise<void> {
    await pLimit(CONCURRENCY).map(keys, (key) => this.remove(key));
  }
}

/** A request as the SDK builds it, whose type it leaves open. */
interface BuiltRequest {
  body: string;
  headers: Record<string, string>;
}
