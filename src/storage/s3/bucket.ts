import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { PROBES } from '../../model/keys.js';
import { StorageUnavailable } from '../object-store.js';
import { type S3ClientOptions, attemptTimeoutMs, openClient } from './s3-client.js';
import { translateS3Error } from './s3-errors.js';

/** One bucket and the deadlines of the calls to it. */
export class Bucket {
  readonly client: S3Client;
  readonly attempts: number;

  constructor(
    readonly name: string,
    private readonly options: S3ClientOptions,
  ) {
    this.client = openClient(options);
    this.attempts = options.attempts;
  }

  /** The time of the server in ms since 1970, as far as its answers have told the SDK. */
  now(): number {
    return Date.now() + this.client.config.systemClockOffset;
  }

  /** An object as commands of the SDK name it. */
  at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.name, Key: key };
  }

  /**
   * Runs one call of the port within its deadline.
   * @param call gets the deadline, for every request that it sends
   * @throws an error of the port
   */
  async withDeadline<T>(call: (deadline: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await call(AbortSignal.timeout(this.options.timeoutMs));
    } catch (error) {
      throw translateS3Error(error);
    }
  }

  /** Ends after the time of so many attempts, and with the deadline of the call at the latest. */
  within(attempts: number, deadline: AbortSignal): AbortSignal {
    return AbortSignal.any([AbortSignal.timeout(attempts * attemptTimeoutMs(this.options)), deadline]);
  }

  /**
   * By a list, because the answer to a HEAD of the bucket does not say why it is refused. Both need the same
   * permission.
   */
  async assertThere(abortSignal: AbortSignal): Promise<void> {
    const nothing = { Bucket: this.name, Prefix: PROBES, MaxKeys: 1 };
    const { Name: name } = await this.client.send(new ListObjectsV2Command(nothing), { abortSignal });
    if (name === undefined) throw notS3();
  }
}

/** Something else answers at the address, such as a proxy with a page of its own, and reports success. */
export function notS3(): StorageUnavailable {
  return new StorageUnavailable(new Error('what answers at STORAGE_S3_ENDPOINT is no S3 server'));
}
