import { randomUUID } from 'node:crypto';
import { type Readable, addAbortSignal } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { PROBES } from '../../model/keys.js';
import { KeyedMutex } from '../keyed-mutex.js';
import {
  type ListedObject,
  ObjectStore,
  PreconditionFailed,
  StorageUnavailable,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
  assertKey,
} from '../object-store.js';
import { type ConditionalWrites, probeConditionalWrites } from './conditional-writes.js';
import { attemptsOf, conditionalOutcome, isMissingObject, outcome, statusOf } from './outcome.js';

export interface S3StoreOptions {
  bucket: string;
  region: string;
  /** Where calls go; undefined: AWS. */
  endpoint?: string | undefined;
  /** The host that URLs are made for; undefined: the endpoint. */
  publicEndpoint?: string | undefined;
  usePathStyle: boolean;
  /** Undefined: the SDK's own chain (environment, profile, IRSA, instance role). */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** How long one call may take in ms, its retries and its reading back included. */
  timeoutMs: number;
  /** How often one request is sent at most. */
  attempts: number;
  /** Connections at the same time; a call that waits for one waits within its deadline. Undefined: what the SDK has, 50. */
  connections?: number | undefined;
}

/**
 * Objects in a bucket of any S3 server.
 *
 * Bodies are buffered: they are bounded, and a streamed one could neither be retried nor be told from a stalled one.
 * Whether and how the server honours conditional writes is learned by a probe before the first of them.
 */
export class S3Store extends ObjectStore {
  readonly backend = 's3';
  readonly location: string;
  private readonly client: S3Client;
  private readonly signer: S3Client;
  private readonly writers = new KeyedMutex();
  private learning: Promise<ConditionalWrites> | undefined;

  constructor(private readonly options: S3StoreOptions) {
    super();
    const agent = options.connections === undefined ? {} : { maxSockets: options.connections };
    const shared: S3ClientConfig = {
      region: options.region,
      forcePathStyle: options.usePathStyle,
      maxAttempts: options.attempts,
      // Other servers than AWS know the older checksums only.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: this.attemptTimeoutMs,
        requestTimeout: this.attemptTimeoutMs,
        socketTimeout: this.attemptTimeoutMs,
        throwOnRequestTimeout: true,
        httpAgent: agent,
        httpsAgent: agent,
      },
      ...(options.credentials && { credentials: options.credentials }),
    };
    const endpointOf = (url: string | undefined) => (url === undefined ? {} : { endpoint: url });
    this.client = new S3Client({ ...shared, ...endpointOf(options.endpoint) });
    this.signer = new S3Client({ ...shared, ...endpointOf(options.publicEndpoint ?? options.endpoint) });
    this.location = `bucket ${options.bucket} at ${options.endpoint ?? `AWS ${options.region}`}`;
  }

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    assertKey(key);
    return this.bounded(async (deadline) => {
      if (isConditional(options) && (await this.conditionalWrites()) === 'none') {
        return this.writers.run(key, () => this.storeAfterComparing(key, bytes, options, deadline));
      }
      return this.put(key, bytes, options, deadline);
    });
  }

  override async get(
    key: string,
    options: { ifNoneMatch?: string; signal?: AbortSignal } = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    assertKey(key);
    return this.bounded(async (deadline) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.getOnce(key, options.ifNoneMatch, deadline);
        } catch (error) {
          // The SDK has repeated what failed before the headers; a body that breaks off is ours to repeat.
          const broken = error instanceof BodyBroken && attempt < this.options.attempts && !deadline.aborted;
          if (!broken) throw error;
        }
      }
    }, options.signal);
  }

  override async exists(key: string): Promise<boolean> {
    assertKey(key);
    return this.bounded(async (abortSignal) => {
      try {
        await this.client.send(new HeadObjectCommand(this.at(key)), { abortSignal });
        return true;
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
        // A HEAD has no body that could tell a missing object from a missing bucket.
        await this.assertBucket(abortSignal);
        return false;
      }
    });
  }

  override async delete(key: string): Promise<void> {
    if (key === '') throw new TypeError('not an object key: ""');
    await this.bounded(async (abortSignal) => {
      try {
        await this.client.send(new DeleteObjectCommand(this.at(key)), { abortSignal });
      } catch (error) {
        if (!isMissingObject(error)) throw error;
      }
    });
  }

  override async getUrl(key: string, options: { expiresIn?: number } = {}): Promise<string> {
    assertKey(key);
    return this.bounded(async () => {
      const presigned = await getSignedUrl(this.signer, new GetObjectCommand(this.at(key)), {
        expiresIn: options.expiresIn ?? 60,
      });
      return options.expiresIn === undefined ? presigned.slice(0, presigned.indexOf('?')) : presigned;
    });
  }

  override async *list(prefix: string): AsyncIterable<ListedObject> {
    let token: string | undefined;
    do {
      const page = await this.bounded((abortSignal) =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.options.bucket,
            Prefix: prefix,
            ...(token !== undefined && { ContinuationToken: token }),
          }),
          { abortSignal },
        ),
      );
      for (const { Key: key, Size: size, LastModified: modifiedAt } of page.Contents ?? []) {
        if (key !== undefined && modifiedAt) yield { key, size: size ?? 0, modifiedAt };
      }
      token = page.NextContinuationToken;
    } while (token !== undefined);
  }

  override async check(): Promise<StoreHealth> {
    await this.bounded((abortSignal) => this.assertBucket(abortSignal));
    const conditionalWrites = (await this.conditionalWrites()) === 'none' ? 'emulated' : 'honoured';
    // The SDK learns it from the answers' Date and corrects its signatures, so that nothing else would tell.
    const { systemClockOffset: clockOffsetMs } = this.client.config;
    return { conditionalWrites, ...(Math.abs(clockOffsetMs) >= WRONG_CLOCK_MS && { clockOffsetMs }) };
  }

  /** By a list, since the answer to a HEAD of the bucket does not say why it is refused; both need the same permission. */
  private async assertBucket(abortSignal: AbortSignal): Promise<void> {
    const nothing = { Bucket: this.options.bucket, Prefix: PROBES, MaxKeys: 1 };
    const { Name: name } = await this.client.send(new ListObjectsV2Command(nothing), { abortSignal });
    if (name === undefined) throw notS3();
  }

  /** Learned once; a probe that fails is repeated by the next who asks. */
  private async conditionalWrites(): Promise<ConditionalWrites> {
    this.learning ??= this.bounded((abortSignal) =>
      probeConditionalWrites(this.client, this.options.bucket, abortSignal),
    ).catch((error: unknown) => {
      this.learning = undefined;
      throw error;
    });
    return this.learning;
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
      ...this.at(key),
      Metadata: { [MARK]: mark },
      Body: bytes,
      ContentLength: bytes.length,
      ...(options.contentType !== undefined && { ContentType: options.contentType }),
      ...(options.cacheControl !== undefined && { CacheControl: options.cacheControl }),
      ...(options.ifAbsent && { IfNoneMatch: '*' }),
      ...(options.ifMatch !== undefined && { IfMatch: await this.inDialect(options.ifMatch) }),
    });
    // The last attempt's worth of time is kept for reading back.
    const sending = AbortSignal.timeout(this.options.attempts * this.attemptTimeoutMs);
    const abortSignal = AbortSignal.any([sending, deadline]);
    for (let attempt = 1; ; attempt++) {
      try {
        const { ETag: etag } = await this.client.send(command, { abortSignal });
        if (etag === undefined) throw new Error('the server gave no ETag for an object that it took');
        return { etag };
      } catch (error) {
        // That a key is taken is believed when something is seen there: a proxy on the way may have repeated the request.
        const failure = options.ifMatch === undefined ? outcome(error) : conditionalOutcome(error, key);
        const ambiguous =
          failure instanceof StorageUnavailable ||
          (failure instanceof PreconditionFailed && (attempt > 1 || attemptsOf(error) > 1));
        if (!ambiguous) throw failure;
        const settled = await this.settle(key, mark, options, failure, deadline);
        if (settled) return settled;
        // 409 asks for another try: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        const again = [409, 412].includes(statusOf(error) ?? 0) && attempt < this.options.attempts;
        if (!again || abortSignal.aborted) throw failure;
      }
    }
  }

  /**
   * After an answer that was lost, or that belongs to a repeated request: reads back. What we wrote is there, and then that
   * was a success; or something else than the precondition asked for, and then it failed (Ceph RGW answers 500 to the loser
   * of a simultaneous If-Match).
   * @returns undefined where it stays unknown
   * @throws PreconditionFailed
   */
  private async settle(
    key: string,
    mark: string,
    options: StoreOptions,
    failure: Error,
    deadline: AbortSignal,
  ): Promise<{ etag: string } | undefined> {
    let present: { ETag?: string | undefined; Metadata?: Record<string, string> | undefined } | undefined;
    try {
      const abortSignal = AbortSignal.any([AbortSignal.timeout(this.attemptTimeoutMs), deadline]);
      present = await this.client.send(new HeadObjectCommand(this.at(key)), { abortSignal });
    } catch (error) {
      // What the caller has to know is why the write failed, not why it could not be settled; a precondition may have failed
      // because of this very write.
      if (statusOf(error) !== 404) {
        throw failure instanceof PreconditionFailed ? new StorageUnavailable(failure) : failure;
      }
    }
    if (present?.Metadata?.[MARK] === mark && present.ETag !== undefined) return { etag: present.ETag };
    const asked =
      options.ifMatch === undefined ? !(options.ifAbsent && present) : present?.ETag === options.ifMatch;
    if (!asked) throw new PreconditionFailed(key, failure);
    return undefined;
  }

  /** For a server that ignores preconditions: holds among the writers of this process. */
  private async storeAfterComparing(
    key: string,
    bytes: Buffer,
    options: StoreOptions,
    deadline: AbortSignal,
  ): Promise<{ etag: string }> {
    const present = await this.get(key, { signal: deadline });
    const etag = present && present !== 'unchanged' ? present.etag : undefined;
    if (options.ifAbsent && etag !== undefined) throw new PreconditionFailed(key);
    if (options.ifMatch !== undefined && etag !== options.ifMatch) throw new PreconditionFailed(key);
    const { contentType, cacheControl } = options;
    const unconditional = {
      ...(contentType !== undefined && { contentType }),
      ...(cacheControl !== undefined && { cacheControl }),
    };
    return this.put(key, bytes, unconditional, deadline);
  }

  private async getOnce(
    key: string,
    ifNoneMatch: string | undefined,
    abortSignal: AbortSignal,
  ): Promise<StoredObject | 'unchanged' | undefined> {
    let answer;
    try {
      answer = await this.client.send(
        new GetObjectCommand({
          ...this.at(key),
          ...(ifNoneMatch !== undefined && { IfNoneMatch: ifNoneMatch }),
        }),
        { abortSignal },
      );
    } catch (error) {
      if (statusOf(error) === 304) return 'unchanged';
      if (isMissingObject(error)) return undefined;
      throw error;
    }
    const bytes = await readBody(answer.Body as Readable, answer.ContentLength, abortSignal);
    if (answer.ETag === undefined) throw notS3();
    return { bytes, etag: answer.ETag, modifiedAt: answer.LastModified ?? new Date(0) };
  }

  /** Ceph RGW (Reef) compares If-Match with the bare etag, AWS and MinIO with the quoted one. */
  private async inDialect(etag: string): Promise<string> {
    return (await this.conditionalWrites()) === 'unquoted' ? etag.replaceAll('"', '') : etag;
  }

  private async bounded<T>(task: (abortSignal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const deadline = AbortSignal.timeout(this.options.timeoutMs);
    try {
      return await task(signal ? AbortSignal.any([deadline, signal]) : deadline);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw outcome(error);
    }
  }

  private get attemptTimeoutMs(): number {
    return Math.ceil(this.options.timeoutMs / (this.options.attempts + 1));
  }

  private at(key: string) {
    return { Bucket: this.options.bucket, Key: key };
  }
}

/** A clock that is off by less is no cause for alarm: the SDK itself corrects from here on. */
const WRONG_CLOCK_MS = 300_000;

/** Something else answers at the address, such as a proxy with a page of its own, and answers that all is well. */
function notS3(): StorageUnavailable {
  return new StorageUnavailable(new Error('what answers at STORAGE_S3_ENDPOINT is no S3 server'));
}

/** The name of the user metadata that says which write an object comes from. */
const MARK = 'visage-write';

function isConditional({ ifAbsent, ifMatch }: StoreOptions): boolean {
  return ifAbsent === true || ifMatch !== undefined;
}

/** The answer began well and its body did not arrive whole. */
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
