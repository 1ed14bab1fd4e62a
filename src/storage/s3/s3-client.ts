import { S3Client } from '@aws-sdk/client-s3';

export interface S3ClientOptions {
  region: string;
  /** Where calls go. Undefined: AWS. */
  endpoint?: string | undefined;
  usePathStyle: boolean;
  /** Undefined: the SDK's own chain (environment, profile, IRSA, instance role). */
  credentials?: { accessKeyId: string; secretAccessKey: string } | undefined;
  /** How long one call may take, in ms, including its retries and reading back. */
  timeoutMs: number;
  /** How often one request is sent at most. */
  attempts: number;
  /**
   * Connections at the same time. A call that waits for one waits within its deadline. Undefined: the SDK's
   * default, 50.
   */
  connections?: number | undefined;
}

/** The share of a call's deadline that one attempt gets, in ms. One share is kept for reading back. */
export function attemptTimeoutMs({ timeoutMs, attempts }: S3ClientOptions): number {
  return Math.ceil(timeoutMs / (attempts + 1));
}

/** A client of the SDK that ends every attempt in time. The SDK has no timeouts by default. */
export function openClient(options: S3ClientOptions): S3Client {
  const agent = options.connections === undefined ? {} : { maxSockets: options.connections };
  const timeout = attemptTimeoutMs(options);
  return new S3Client({
    region: options.region,
    forcePathStyle: options.usePathStyle,
    maxAttempts: options.attempts,
    // Servers other than AWS know only the older checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: timeout,
      requestTimeout: timeout,
      socketTimeout: timeout,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(options.credentials && { credentials: options.credentials }),
  });
}
