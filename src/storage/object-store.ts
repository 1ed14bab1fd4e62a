import { CodedError } from '../errors.js';

export interface StoreOptions {
  /** Fail with {@link PreconditionFailed} if the key already has an object. */
  ifAbsent?: true;
  /** Fail with {@link PreconditionFailed} unless the key's object has this etag. */
  ifMatch?: string;
  /** Media type for those who read the bucket without Visage. */
  contentType?: string;
  /** Cache-Control for those who read the bucket without Visage. */
  cacheControl?: string;
}

export interface GetOptions extends CallOptions {
  /** Return `unchanged` if the object still has this etag. */
  ifNoneMatch?: string;
}

export interface CallOptions {
  /** A change waits for this call: if calls have to queue, it does not queue behind readers. */
  forChange?: true;
  /**
   * A reader may have made up the key: if calls have to queue, those who ask for objects that exist do not
   * queue behind this one.
   */
  guessed?: true;
}

export interface StoredObject {
  bytes: Buffer;
  /** Opaque. It changes with the bytes, and works for `ifMatch` and `ifNoneMatch` of the same store only. */
  etag: string;
  modifiedAt: Date;
}

export interface ListedObject {
  key: string;
  /** In bytes. */
  size: number;
  modifiedAt: Date;
}

/** What every driver is told when it is opened. */
export interface DriverOptions {
  /**
   * Hears of each read that was discarded because its bytes were not those that were stored, or not those of
   * its etag.
   */
  onDiscardedRead?: ((key: string) => void) | undefined;
}

/** Where a browser gets an object from the backend itself. */
export interface ObjectUrl {
  url: string;
  /** When a presigned URL stops working. */
  expiresAt?: Date;
}

export interface StoreHealth {
  /**
   * `honoured`: `ifAbsent` and `ifMatch` hold between all writers. `emulated`: the store does not offer them,
   * and the driver compares before it writes, which holds only inside one process.
   */
  conditionalWrites: 'honoured' | 'emulated';
  /** There is no room for new objects. Everything else works. */
  full?: true;
  /** How far the store's clock is ahead of ours, in ms, if that is five minutes or more. */
  clockOffsetMs?: number;
}

/**
 * Where objects live: the port, and its injection token. One contract suite runs on every driver.
 *
 * A key is what `assertKey` accepts. Every call ends within the driver's deadline. It fails with
 * {@link StorageUnavailable} (try again later), {@link StorageRefused} (the operator has to act),
 * {@link StorageFull} or {@link StorageBusy}, and never reports any of them as an absent object.
 */
export abstract class ObjectStore {
  /** The name of the backend, as settings and health write it. */
  abstract readonly backend: 'memory' | 'local' | 's3';

  /** Where the objects are, for the log. Holds no secret. */
  abstract readonly location: string;

  /**
   * Writes an object, all or nothing: a reader sees the old bytes or the new ones. Once the promise resolves,
   * the new ones survive a crash. If the backend's answer is lost on the way, the driver reads back what
   * became of the write.
   * @throws PreconditionFailed the object is not as asked for. If answers were lost, our write may have been
   * there for a while, and another writer may have built on it: read again before you act
   */
  abstract store(key: string, bytes: Buffer, options?: StoreOptions): Promise<{ etag: string }>;

  /**
   * Reads an object whole. Its bytes are the ones that were stored, and its etag is theirs: the driver
   * compares them with a checksum, and discards what does not match.
   * @returns `unchanged` if it still has the etag `ifNoneMatch`; undefined if there is none
   * @throws ObjectDamaged the backend has other bytes than were stored
   */
  abstract get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined>;

  abstract exists(key: string): Promise<boolean>;

  /**
   * Deletes an object. An absent one counts as deleted. Takes every key that `list` gives, even if
   * `assertKey` does not accept it.
   */
  abstract delete(key: string): Promise<void>;

  /**
   * Deletes objects, with as few calls to the backend as it allows. Keys are as for `delete`. If it fails,
   * some of the objects may be deleted.
   */
  abstract deleteMany(keys: readonly string[]): Promise<void>;

  /**
   * A URL under which a browser gets the object from the backend itself.
   * @param options.expiresIn in seconds: the URL is presigned, and works that long at most and half of that
   * at least, unless the credentials expire before. All replicas with the same credentials give the same URL
   * for half of that time, so that browsers can cache the object. Without it, the URL is plain and works if
   * the object is public.
   * @returns undefined if the backend has no URLs and the service has to serve the object
   */
  abstract getUrl(key: string, options?: { expiresIn?: number }): Promise<ObjectUrl | undefined>;

  /** All objects whose keys start with `prefix`, in the byte order of their keys. */
  abstract list(prefix: string, options?: CallOptions): AsyncIterable<ListedObject>;

  /**
   * Proves that the backend can be reached and written to, and finds out what its conditional writes are
   * worth.
   */
  abstract check(): Promise<StoreHealth>;
}

/** The object is not in the state that the writer asked for. */
export class PreconditionFailed extends CodedError {
  constructor(key: string, cause?: unknown) {
    super('precondition_failed', `The object ${key} is not in the expected state.`, { cause });
  }
}

/** The backend keeps giving other bytes than were stored. They are not shown to anybody. */
export class ObjectDamaged extends CodedError {
  /** What is wrong, as a sentence. */
  static readonly REASON = 'Its bytes are not those that were stored.';

  constructor(readonly key: string) {
    super(
      'object_damaged',
      `The storage has other bytes at ${key} than were stored. An operator has to restore the object from a backup.`,
    );
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

/**
 * The backend answers, but refuses us: wrong keys, no such bucket, no permission. The operator has to act.
 */
export class StorageRefused extends CodedError {
  /** @param wrong what makes the backend refuse every call; undefined if only a permission may be missing */
  constructor(
    cause: unknown,
    readonly wrong?: 'keys' | 'bucket',
  ) {
    super('storage_unavailable', 'The storage cannot be used at the moment. Try again later.', { cause });
  }
}

/**
 * Whether a call failed because the backend cannot be used at the moment, for either reason. The call may be
 * repeated later.
 */
export function isAway(error: unknown): error is StorageUnavailable | StorageRefused {
  return error instanceof StorageUnavailable || error instanceof StorageRefused;
}

/** There is no room left. */
export class StorageFull extends CodedError {
  constructor(cause: unknown) {
    super('storage_full', 'The storage is full. Try again after its operator has made room.', { cause });
  }
}

/**
 * Too many calls are under way and this one was not begun, or this process was too busy to take its answer in
 * time. It is no outage, and nothing for the outbox.
 */
export class StorageBusy extends CodedError {
  constructor(cause?: unknown) {
    super('busy', 'Too many requests are waiting for the storage. Try again shortly.', { cause });
  }
}

const SEGMENT = /^(?!\.)[A-Za-z0-9!'()*+,\-.:=@_~]{1,255}$/;

/**
 * Makes sure that every backend takes the key: segments of 1-255 harmless ASCII characters between single
 * slashes, none with a leading dot, 1024 bytes in all. 1024 is the limit of S3 ("Creating object key names"),
 * 255 that of a file name.
 * @throws TypeError
 */
export function assertKey(key: string): void {
  if (key.length > 1024 || !key.split('/').every((segment) => SEGMENT.test(segment))) {
    throw new TypeError(`not an object key: ${JSON.stringify(key.slice(0, 200))}`);
  }
}
