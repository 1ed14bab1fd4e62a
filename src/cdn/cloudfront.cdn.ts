import { randomUUID } from 'node:crypto';
import { CloudFrontClient, CreateInvalidationCommand } from '@aws-sdk/client-cloudfront';
import { Cdn, PurgeFailed } from './cdn.js';

/** CloudFront is global; its API is in this region. */
const REGION = 'us-east-1';

const ADVICE: Record<string, string> = {
  AccessDenied: 'Allow cloudfront:CreateInvalidation on the distribution.',
  NoSuchDistribution: 'Check CDN_CLOUDFRONT_DISTRIBUTION_ID.',
  TooManyInvalidationsInProgress:
    'CloudFront works on 15 wildcard paths at a time. With CDN_CLOUDFRONT_BY=tags there is no such limit: docs/cdn.md.',
  CredentialsProviderError: 'Give the service an IAM role or keys: docs/cdn.md.',
  TimeoutError: 'Check the network.',
};

/**
 * Amazon CloudFront, told by an invalidation for all tags or paths at once. The SDK finds the keys by its own
 * chain. https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/Invalidation.html
 */
export class CloudFrontCdn extends Cdn {
  private readonly client: CloudFrontClient;

  /** @param timeoutMs for one invalidation, with finding the keys */
  constructor(
    private readonly distribution: string,
    readonly by: 'tags' | 'paths',
    private readonly timeoutMs: number,
  ) {
    super();
    this.client = new CloudFrontClient({
      region: REGION,
      // Whoever asks for a purge asks again if it fails.
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        throwOnRequestTimeout: true,
      },
    });
  }

  async purge(items: readonly string[]): Promise<void> {
    const written = [...new Set(items.map((item) => (this.by === 'tags' ? `#${item}` : wildcard(item))))];
    const Paths = { Quantity: written.length, Items: written };
    const command = new CreateInvalidationCommand({
      DistributionId: this.distribution,
      InvalidationBatch: { CallerReference: randomUUID(), Paths },
    });
    const deadline = AbortSignal.timeout(this.timeoutMs);
    // The search for keys does not look at the signal.
    const late = new Promise<never>((_, reject) => {
      deadline.addEventListener('abort', () => {
        reject(deadline.reason as Error);
      });
    });
    try {
      await Promise.race([this.client.send(command, { abortSignal: deadline }), late]);
    } catch (error) {
      const { name, message } = error as Error;
      const cause = deadline.aborted ? 'TimeoutError' : name;
      throw new PurgeFailed(
        cause === 'TimeoutError'
          ? `CloudFront did not answer an invalidation within ${this.timeoutMs} ms`
          : `CloudFront refused an invalidation: ${name}: ${message}`,
        ADVICE[cause] ?? 'Check the keys of the service, its network and the distribution.',
      );
    }
  }
}

/** A path with everything below it. CloudFront wants unsafe characters escaped, and no others. */
function wildcard(path: string): string {
  return `${path.replaceAll('|', '%7C')}*`;
}
