import { S3Client } from '@aws-sdk/client-s3';

/**
 * @param {Record<string, string | undefined>} environment TEST_S3_*
 * @param {import('@aws-sdk/client-s3').S3ClientConfig} [options]
 */
export function clientOf(environment, options = {}) {
  const {
    TEST_S3_ENDPOINT: endpoint,
    TEST_S3_REGION: region = 'us-east-1',
    TEST_S3_ACCESS_KEY_ID: accessKeyId = '',
    TEST_S3_SECRET_ACCESS_KEY: secretAccessKey = '',
  } = environment;
  return new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
    // Servers other than AWS know only the older checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...options,
  });
}
