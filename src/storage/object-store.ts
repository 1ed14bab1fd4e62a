import { CodedError } from '../errors.js';

export interface StoreOptions {
  /** Fail with {@link PreconditionFailed} where the key already has an object. */
  ifAbsent?: true;
  /** Fail with {@link PreconditionFailed} unless the key's object has this etag. */
  ifMatch?: string;
  /** Media type for whoever reads the bucket without Visage. */
  contentType?: string;
  /** Cache-Control for whoever reads the bucket without Visage. */
  cacheControl?: string;
}

export interface GetOptions extends CallOptions {
  /** Give `unchanged` where the object still has this etag. */
  ifNoneMatch?: string;
  /** Ends the call. */
  signal?: AbortSignal;
}

export interface CallOptions {
  /** A change waits for it: where calls have to wait for their turn, it does not wait behind readers. */
  forChange?: true;
}

export interface StoredObject {
  bytes: Buffer;
  /** Opaque: changes with the bytes, and is good for `ifMatch` and `ifNoneMatch` of the same store only. */
  etag: string;
  modifiedAt: Date;
}

export interface ListedObject {
  key: string;
  /** In bytes. */
  size: number;
  modifiedAt: Date;
}

export interface StoreHealth {
  /**
   * `honoured`: `ifAbsent` and `ifMatch` hold between all writers. `emulated`: the store does not offer them and the
   * driver compares before it writes, which holds inside one process only.
   */
  conditionalWrites: 'honoured' | 'emulated';
  /** There is no room for new objects; all else works. */
  full?: true;
  /** How far the store's clock is ahead of ours, in ms, if that is five minutes or more. */
  clockOffsetMs?: number;
}

/**
 * Where objects live: the port, and its injection token. One contract suite runs on every driver.
 *
 * A key is what `assertKey` accepts. Every call ends within the driver's deadline, and fails with
 * {@link StorageUnavailable} (try again later), {@link StorageRefused} (the operator has to act),
 * {@link StorageFull} or {@link StorageBusy}; none of them is ever reported as an absent object.
 */
export abstract class ObjectStore {
  /** The name of the backend, as settings and health write it. */
  abstract readonly backend: 'memory' | 'local' | 's3';

  /** Where the objects are, for the log; holds no secret. */
  abstract readonly location: string;

  /**
   * Writes an object, all or nothing: a reader sees the old bytes or the new ones, and once the promise resolves the new
   * ones survive a crash. An answer that was lost on the way is settled by reading back.
   * @throws PreconditionFailed the object is not as asked for; where answers were lost, our write may have been there in
   * between and another writer have built on it, so read again before you act on it
   */
  abstract store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }>;

  /**
   * Reads an object whole.
   * @returns `unchanged` where it still has the etag `ifNoneMatch`; undefined where there is none
   */
  abstract get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined>;

  abstract exists(key: string): Promise<boolean>;

  /** Deletes an object. One that is absent already counts as deleted. Takes any key that `list` gives, also one of somebody else's. */
  abstract delete(key: string): Promise<void>;

  /**
   * A URL under which a browser gets the object from the backend itself.
   * @param options.expiresIn seconds: the URL is presigned and works that long; without it, it is plain and works where
   * the object is public
   * @returns undefined where the backend has no such URL and the service has to serve the object
   */
  abstract getUrl(key: string, options?: { expiresIn?: number }): Promise<string | undefined>;

  /** All objects whose keys start with `prefix`, in the byte order of their keys. */
  abstract list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>;

  /** Proves that the backend can be reached and written to, and learns what its conditional writes are worth. */
  abstract check(): Promise<StoreHealth>;
}

/** The object is not in the state that the writer asked for. */
export class PreconditionFailed extends CodedError {
  constructor(key: string, cause?: unknown) {
    super('precondition_failed', `The object ${key} is not in the expected state.`, { cause });
  }
}

/** The backend does not answer, or not in time. Trying again later may help. */
export class StorageUnavailable extends CodedError {
  /** @param timedOut it did not answer in time */
  constructor(
    cause: unknown,
    readonly timedOut = false,
  ) {
    super('storage_unavailable', 'The storage cannot be reached at the moment. Try again shortly.', {
      cause,
    });
  }
}

/** The backend answers, but not to us: wrong keys, no such bucket, no permission. The operator has to act. */
export class StorageRefused extends CodedError {
  constructor(cause: unknown) {
    super('storage_unavailable', 'The storage cannot be used at the moment. Try again later.', { cause });
  }
}

/** Whether a call failed because the backend is of no use at the moment, whoever has to act: what was asked may be asked later. */
export function isAway(error: unknown): error is StorageUnavailable | StorageRefused {
  return error instanceof StorageUnavailable || error instanceof StorageRefused;
}

/** There is no room left. */
export class StorageFull extends CodedError {
  constructor(cause: unknown) {
    super('storage_full', 'The storage is full.', { cause });
  }
}

/**
 * We ask the backend as much as we may at a time, and the call was not begun; or this process was too busy to take its answer in time.
 * No outage, and nothing for the outbox.
 */
export class StorageBusy extends CodedError {
  constructor(cause?: unknown) {
    super('busy', 'Too many requests are waiting for the storage. Try again shortly.', { cause });
  }
}

const SEGMENT = /^(?!\.)[A-Za-z0-9!'()*+,\-.:=@_~]{1,255}$/;

/**
 * Throws unless the key can be written alike to every backend: segments of 1-255 harmless ASCII characters between single
 * slashes, none with a leading dot, 1024 bytes in all (the limit of S3, "Creating object key names"; 255 is that of a
 * file name).
 * @throws TypeError
 */
export function assertKey(key: string): void {
  if (key.length > 1024 || !key.split('/').every((segment) => SEGMENT.test(segment))) {
    throw new TypeError(`not an object key: ${JSON.stringify(key.slice(0, 200))}`);
  }
}
