import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ObjectUrl } from '../object-store.js';

/** The URLs under which browsers get the objects of a bucket. */
export class BucketUrls {
  /** @param client of the endpoint that browsers reach; it sends no request */
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
  ) {}

  /**
   * A URL that is signed at the start of the current window. A window is half as long as the URL works, and
   * the same for all replicas.
   * @param expiresIn how long the URL works from the start of the window, in seconds
   * @param now the time of the server, in ms since 1970: it refuses URLs that are signed by a clock ahead of
   * its own
   */
  async presigned(key: string, expiresIn: number, now: number): Promise<ObjectUrl> {
    // Before signing: if the SDK renews them meanwhile, the URL works longer than we say, never shorter.
    const { expiration } = await this.client.config.credentials();
    const windowMs = Math.max(1, Math.floor(expiresIn / 2)) * 1000;
    const signedAt = Math.floor(now / windowMs) * windowMs;
    const signingDate = new Date(signedAt);
    const url = await getSignedUrl(this.client, this.commandOf(key), { expiresIn, signingDate });
    // S3 refuses a URL as soon as the credentials that signed it have expired.
    const end = Math.min(signedAt + expiresIn * 1000, expiration?.getTime() ?? Infinity);
    return { url, expiresAt: new Date(end) };
  }

  /** A URL that works if the object is public. */
  async plain(key: string): Promise<string> {
    let url = '';
    const command = this.commandOf(key);
    // The SDK knows the URL once it has built the request, and the command ends there: it is neither signed
    // nor sent.
    command.middlewareStack.add(
      () =>
        ({ request }) => {
          const { protocol, hostname, port, path } = request as BuiltRequest;
          url = `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`;
          return Promise.resolve({ response: undefined, output: { $metadata: {} } });
        },
      { step: 'build', priority: 'high' },
    );
    await this.client.send(command);
    return url;
  }

  private commandOf(key: string): GetObjectCommand {
    return new GetObjectCommand({ Bucket: this.bucket, Key: key });
  }
}

/** A request as the SDK builds it, whose type it leaves open. The path is escaped. */
interface BuiltRequest {
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
}
