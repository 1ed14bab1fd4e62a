import { randomUUID } from 'node:crypto';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { sha256Hex } from '../../model/sha256.js';
import { KeyedMutex } from '../../tools/keyed-mutex.js';
import { PreconditionFailed, StorageUnavailable, type StoreOptions } from '../object-store.js';
import type { Bucket } from './bucket.js';
import { CHECKSUM, etagOfWritten } from './checksums.js';
import type { ServerDialect } from './dialect.js';
import type { ObjectReader, ReadObject } from './object-reader.js';
import { attemptsOf, statusOf, translateConditionalError, translateS3Error } from './s3-errors.js';

/**
 * Writes objects so that the answer is true: a write whose answer was lost is read back, and a precondition
 * holds as far as the server lets it. Before the first conditional write it learns whether and how the server
 * honours these.
 */
export class ObjectWriter {
  private readonly writers = new KeyedMutex();

  constructor(
    private readonly bucket: Bucket,
    private readonly dialect: ServerDialect,
    private readonly reader: ObjectReader,
  ) {}

  /** @throws PreconditionFailed, and what the SDK throws */
  async write(
    key: string,
    bytes: Buffer,
    options: StoreOptions,
    deadline: AbortSignal,
  ): Promise<{ etag: string }> {
    if (isConditional(options) && (await this.dialect.learn()).ifMatch === 'none') {
      return this.writers.run(key, () => this.putAfterComparing(key, bytes, options, deadline));
    }
    return this.put(key, bytes, options, deadline);
  }

  private async put(
    key: string,
    bytes: Buffer,
    options: StoreOptions,
    deadline: AbortSignal,
  ): Promise<{ etag: string }> {
    // Equal bytes would not tell our write from another writer's: each carries a mark of its own.
    const mark = randomUUID();
    const command = new PutObjectCommand({
      ...this.bucket.at(key),
      Metadata: { [MARK]: mark, [CHECKSUM]: sha256Hex(bytes) },
      Body: bytes,
      ContentLength: bytes.length,
      ...(options.contentType !== undefined && { ContentType: options.contentType }),
      ...(options.cacheControl !== undefined && { CacheControl: options.cacheControl }),
      ...(options.ifAbsent && { IfNoneMatch: '*' }),
      ...(options.ifMatch !== undefined && { IfMatch: await this.inDialect(options.ifMatch) }),
    });
    // One attempt's worth of the deadline is kept for reading back.
    const abortSignal = this.bucket.within(this.bucket.attempts, deadline);
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.bucket.client.send(command, { abortSignal });
        const etag = await etagOfWritten(bytes, answer, this.dialect);
        if (etag === undefined) throw new Error('the server gave no ETag for an object that it took');
        return { etag };
      } catch (error) {
        // We look before we believe that a key is taken: a proxy on the way may have repeated our request.
        const failure =
          options.ifMatch === undefined ? translateS3Error(error) : translateConditionalError(error, key);
        const ambiguous =
          failure instanceof StorageUnavailable ||
          (failure instanceof PreconditionFailed && (attempt > 1 || attemptsOf(error) > 1));
        if (!ambiguous) throw failure;
        const written = await this.readBack(key, mark, options, failure, deadline);
        if (written) return written;
        // 409 asks for another try:
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        const again = [409, 412].includes(statusOf(error) ?? 0) && attempt < this.bucket.attempts;
        if (!again || abortSignal.aborted) throw failure;
      }
    }
  }

  /**
   * Finds out what became of a write whose answer was lost, or belongs to a repeated request. If our object
   * is there, the write succeeded. If there is another than the precondition asked for, the write failed
   * (Ceph RGW answers 500 to the loser of a simultaneous If-Match).
   * @returns undefined if it stays unknown
   * @throws PreconditionFailed
   */
  private async readBack(
    key: string,
    mark: string,
    options: StoreOptions,
    failure: Error,
    deadline: AbortSignal,
  ): Promise<{ etag: string } | undefined> {
    let present: ReadObject | undefined;
    try {
      const found = await this.reader.read(key, this.bucket.within(1, deadline));
      if (found !== 'unchanged') present = found;
    } catch {
      // The caller has to know why the write failed, not why it could not be read back. A precondition may
      // have failed because of this very write.
      throw failure instanceof PreconditionFailed ? new StorageUnavailable(failure) : failure;
    }
    if (present?.metadata[MARK] === mark) return { etag: present.etag };
    const asked =
      options.ifMatch === undefined ? !(options.ifAbsent && present) : present?.etag === options.ifMatch;
    if (!asked) throw new PreconditionFailed(key, failure);
    return undefined;
  }

  /** For a server that ignores preconditions: holds among the writers of this process. */
  private async putAfterComparing(
    key: string,
    bytes: Buffer,
    { ifAbsent, ifMatch, ...unconditional }: StoreOptions,
    deadline: AbortSignal,
  ): Promise<{ etag: string }> {
    const present = await this.reader.read(key, deadline);
    const etag = present && present !== 'unchanged' ? present.etag : undefined;
    if (ifAbsent && etag !== undefined) throw new PreconditionFailed(key);
    if (ifMatch !== undefined && etag !== ifMatch) throw new PreconditionFailed(key);
    return this.put(key, bytes, unconditional, deadline);
  }

  /** Ceph RGW (Reef) compares If-Match with the bare etag, AWS and MinIO with the quoted one. */
  private async inDialect(etag: string): Promise<string> {
    return (await this.dialect.learn()).ifMatch === 'unquoted' ? etag.replaceAll('"', '') : etag;
  }
}

/** The name of the user metadata that says which write an object comes from. */
const MARK = 'visage-write';

function isConditional({ ifAbsent, ifMatch }: StoreOptions): boolean {
  return ifAbsent === true || ifMatch !== undefined;
}
