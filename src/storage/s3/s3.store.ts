import { HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import {
  type DriverOptions,
  type GetOptions,
  type ListedObject,
  ObjectStore,
  type ObjectUrl,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
  assertKey,
} from '../object-store.js';
import { tryAdministrativeReads } from './administrative-reads.js';
import { addressOf } from './address-of.js';
import { BucketUrls } from './bucket-urls.js';
import { Bucket } from './bucket.js';
import { ServerDialect } from './dialect.js';
import { ObjectReader } from './object-reader.js';
import { ObjectRemover } from './object-remover.js';
import { ObjectWriter } from './object-writer.js';
import { type S3ClientOptions, openClient } from './s3-client.js';
import { statusOf } from './s3-errors.js';

export interface S3StoreOptions extends S3ClientOptions, DriverOptions {
  bucket: string;
  /** The host that URLs are made for. Undefined: the endpoint. */
  publicEndpoint?: string | undefined;
}

/**
 * Objects in a bucket of any S3 server.
 *
 * Bodies are buffered: their size is bounded, and a streamed body could neither be retried nor be told from a
 * stalled one.
 */
export class S3Store extends ObjectStore {
  readonly backend = 's3';
  readonly location: string;
  private readonly bucket: Bucket;
  private readonly dialect: ServerDialect;
  private readonly reader: ObjectReader;
  private readonly writer: ObjectWriter;
  private readonly remover: ObjectRemover;
  private readonly urls: BucketUrls;

  constructor(options: S3StoreOptions) {
    super();
    const { bucket, endpoint, publicEndpoint = endpoint, region } = options;
    this.location = `bucket ${bucket} at ${endpoint === undefined ? `AWS ${region}` : addressOf(endpoint)}`;
    this.bucket = new Bucket(bucket, options);
    this.dialect = new ServerDialect(this.bucket);
    this.reader = new ObjectReader(this.bucket, this.dialect, options.onDiscardedRead);
    this.writer = new ObjectWriter(this.bucket, this.dialect, this.reader);
    this.remover = new ObjectRemover(this.bucket);
    this.urls = new BucketUrls(openClient({ ...options, endpoint: publicEndpoint }), bucket);
  }

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    assertKey(key);
    return this.bucket.withDeadline((deadline) => this.writer.write(key, bytes, options, deadline));
  }

  override async get(
    key: string,
    { ifNoneMatch }: GetOptions = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    assertKey(key);
    return this.bucket.withDeadline((deadline) => this.reader.read(key, deadline, ifNoneMatch));
  }

  /**
   * Reads an object that another program stored, whatever its key. Otherwise like `get`.
   * @returns undefined if there is none
   */
  async getForeign(key: string): Promise<StoredObject | undefined> {
    const object = await this.bucket.withDeadline((deadline) => this.reader.read(key, deadline));
    return object === 'unchanged' ? undefined : object;
  }

  override async exists(key: string): Promise<boolean> {
    assertKey(key);
    return this.bucket.withDeadline(async (abortSignal) => {
      try {
        await this.bucket.client.send(new HeadObjectCommand(this.bucket.at(key)), { abortSignal });
        return true;
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        // A HEAD has no body that could tell a missing object from a missing bucket.
        await this.bucket.assertThere(abortSignal);
        return false;
      }
    });
  }

  override delete(key: string): Promise<void> {
    return this.remover.remove(key);
  }

  override deleteMany(keys: readonly string[]): Promise<void> {
    return this.remover.removeMany(keys);
  }

  override async getUrl(key: string, { expiresIn }: { expiresIn?: number } = {}): Promise<ObjectUrl> {
    assertKey(key);
    return this.bucket.withDeadline(async () =>
      expiresIn === undefined
        ? { url: await this.urls.plain(key) }
        : this.urls.presigned(key, expiresIn, this.bucket.now()),
    );
  }

  override async *list(prefix: string): AsyncIterable<ListedObject> {
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({
        Bucket: this.bucket.name,
        Prefix: prefix,
        ...(token !== undefined && { ContinuationToken: token }),
      });
      const page = await this.bucket.withDeadline((abortSignal) =>
        this.bucket.client.send(command, { abortSignal }),
      );
      for (const { Key: key, Size: size, LastModified: modifiedAt } of page.Contents ?? []) {
        if (key !== undefined && modifiedAt) yield { key, size: size ?? 0, modifiedAt };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  /** What the keys may do that Visage never needs, for people. @throws an error of the port */
  excessivePermissions(): Promise<string[]> {
    return tryAdministrativeReads(this.bucket);
  }

  override async check(): Promise<StoreHealth> {
    await this.bucket.withDeadline((deadline) => this.bucket.assertThere(deadline));
    const { ifMatch } = await this.dialect.learn();
    const conditionalWrites = ifMatch === 'none' ? 'emulated' : 'honoured';
    // The SDK learns the offset from the Date of answers and corrects its signatures, so that nothing else
    // would show it.
    const { systemClockOffset: clockOffsetMs } = this.bucket.client.config;
    return { conditionalWrites, ...(Math.abs(clockOffsetMs) >= WRONG_CLOCK_MS && { clockOffsetMs }) };
  }
}

/** A clock that is off by less is no cause for alarm: the SDK itself corrects from here on. */
const WRONG_CLOCK_MS = 300_000;
