import type { S3ServiceException as ServiceException } from '@aws-sdk/client-s3';
import { CodedError } from '../errors.js';
import { PreconditionFailed, StorageFull, StorageRefused, StorageUnavailable } from './object-store.js';

/** The HTTP status that an error of the SDK carries, if the server answered at all. */
export function statusOf(error: unknown): number | undefined {
  return metadataOf(error)?.httpStatusCode;
}

/** How often the SDK sent the request before it gave up with this error. */
export function attemptsOf(error: unknown): number {
  return metadataOf(error)?.attempts ?? 1;
}

/**
 * The server says that the object is missing. A missing bucket is not an absent object, nor is a 404 whose XML did not
 * arrive whole.
 */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) === 'NoSuchKey';
}

/**
 * What an error of the SDK means to a caller of the port.
 * Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; XMinio* are MinIO's own.
 */
export function outcome(error: unknown): Error {
  if (error instanceof CodedError) return error;
  const name = nameOf(error);
  const status = statusOf(error);
  if (name === 'QuotaExceeded' || name === 'XMinioStorageFull' || status === 507)
    return new StorageFull(error);
  if (status !== undefined && status >= 300 && status < 500 && !PASSING.includes(status)) {
    return new StorageRefused(error);
  }
  return name === 'CredentialsProviderError' ? new StorageRefused(error) : new StorageUnavailable(error);
}

/** What an error of the SDK means to a writer who set a precondition. */
export function conditionalOutcome(error: unknown, key: string): Error {
  const status = statusOf(error);
  // AWS answers 404 to an If-Match on an object that is not there.
  const failed = status === 412 || status === 409 || isMissingObject(error);
  return failed ? new PreconditionFailed(key, error) : outcome(error);
}

/** Refusals that may be gone at the next try; 409 and 412 are told to a call without a precondition by mistake only. */
const PASSING = [408, 409, 412, 429];

function nameOf(error: unknown): string | undefined {
  return (error as Partial<Error> | undefined)?.name;
}

function metadataOf(error: unknown): { httpStatusCode?: number; attempts?: number } | undefined {
  return (error as Partial<ServiceException> | undefined)?.$metadata;
}
