import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

/** The URLs under which browsers get the objects of a bucket. */
export class BucketUrls {
  /** @param client of the endpoint that browsers reach; it sends no request */
  constructor(
    private readonly client: S3Client,
    private readonly bucket: string,
  ) {}

  /** @param expiresIn how long the URL works, in seconds */
  presigned(key: string, expiresIn: number): Promise<string> {
    return getSignedUrl(this.client, this.commandOf(key), { expiresIn });
  }

  /** A URL that works if the object is public. */
  async plain(key: string): Promise<string> {
    let url = '';
    const command = this.commandOf(key);
    // The SDK knows the URL once it has built the request, and the command ends there: it is neither signed nor sent.
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
