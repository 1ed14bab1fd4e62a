import type { S3ServiceException as ServiceException } from '@aws-sdk/client-s3';
import { CodedError } from '../../errors.js';
import { PreconditionFailed, StorageFull, StorageRefused, StorageUnavailable } from '../object-store.js';

/** The HTTP status that an error of the SDK carries, if the server answered at all. */
export function statusOf(error: unknown): number | undefined {
  return metadataOf(error)?.httpStatusCode;
}

/** How often the SDK sent the request before it gave up with this error. */
export function attemptsOf(error: unknown): number {
  return metadataOf(error)?.attempts ?? 1;
}

/**
 * Whether the server says that the object is missing. Neither a missing bucket nor a 404 whose XML did not
 * arrive whole counts.
 */
export function isMissingObject(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) === 'NoSuchKey';
}

/**
 * Turns an error of the SDK into one of the port.
 * Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; XMinio* are MinIO's own.
 */
export function translateS3Error(error: unknown): Error {
  if (error instanceof CodedError) return error;
  const name = nameOf(error);
  const status = statusOf(error);
  const cause = withAdvice(error);
  if (name === 'QuotaExceeded' || name === 'XMinioStorageFull' || status === 507)
    return new StorageFull(error);
  if (status !== undefined && status >= 300 && status < 500 && !PASSING.includes(status)) {
    return new StorageRefused(cause, wrongIn(name, status));
  }
  if (name === 'CredentialsProviderError') return new StorageRefused(cause, 'keys');
  return new StorageUnavailable(cause, hasTimedOut(error));
}

const TIMEOUT = /^(TimeoutError|AbortError|ETIMEDOUT)$/;

/**
 * What the operator should look at, by the name or code of an error, or its status if the server gave no
 * reason.
 */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^SignatureDoesNotMatch$/, 'STORAGE_S3_SECRET_ACCESS_KEY is not the secret of STORAGE_S3_ACCESS_KEY_ID'],
  // The last one is versitygw's without --iam-dir.
  [
    /^(InvalidAccessKeyId|InvalidClientTokenId|XAdminUserNotFound)$/,
    'the server does not know STORAGE_S3_ACCESS_KEY_ID',
  ],
  [/^(RequestTimeTooSkewed|RequestExpired)$/, 'the clock of this machine is wrong'],
  [/^(ExpiredToken|InvalidToken)$/, 'the session token of the credentials has expired'],
  [/^AccessDenied$/, 'permissions are missing: see "Keep the pictures in a bucket" in the README'],
  [/^NoSuchBucket$/, 'there is no bucket STORAGE_S3_BUCKET: make it, or fix the name'],
  [/^(PermanentRedirect|AuthorizationHeaderMalformed)$/, 'the bucket is not in the region STORAGE_S3_REGION'],
  [
    /^CredentialsProviderError$/,
    'no credentials: set STORAGE_S3_ACCESS_KEY_ID and STORAGE_S3_SECRET_ACCESS_KEY',
  ],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the host name in STORAGE_S3_ENDPOINT has no address'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, 'nothing answers at STORAGE_S3_ENDPOINT'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/,
    'the certificate is not trusted: set NODE_EXTRA_CA_CERTS to the file of its authority',
  ],
  [TIMEOUT, 'no answer from STORAGE_S3_ENDPOINT within STORAGE_S3_TIMEOUT_MS'],
  [/^403$/, 'forbidden without a reason: wrong keys, missing permissions, or a wrong clock'],
  [/^404$/, 'not found: check STORAGE_S3_BUCKET and STORAGE_S3_USE_PATH_STYLE'],
];

const WRONG_KEYS =
  /^(SignatureDoesNotMatch|InvalidAccessKeyId|InvalidClientTokenId|XAdminUserNotFound|ExpiredToken|InvalidToken)$/;
const WRONG_BUCKET = /^(NoSuchBucket|PermanentRedirect|AuthorizationHeaderMalformed)$/;

/**
 * What makes the server refuse every call, if that is the reason. Of the 404s, those that mean a missing
 * object do not come here.
 */
function wrongIn(name: string | undefined, status: number): 'keys' | 'bucket' | undefined {
  if (WRONG_KEYS.test(name ?? '')) return 'keys';
  return status === 404 || WRONG_BUCKET.test(name ?? '') ? 'bucket' : undefined;
}

/** Puts an error in front that tells the log what it is called and what to look at. */
function withAdvice(error: unknown): unknown {
  const { code } = (error ?? {}) as { code?: unknown };
  const names = [code, nameOf(error), statusOf(error)].filter((name) => name !== undefined).map(String);
  for (const name of names) {
    const advice = ADVICE.find(([pattern]) => pattern.test(name))?.[1];
    if (advice !== undefined) return new Error(`${name}: ${advice}`, { cause: error });
  }
  const status = statusOf(error);
  // What the SDK calls the error of an answer without a body.
  if (nameOf(error) !== 'Unknown' || status === undefined) return error;
  return new Error(`HTTP ${status}, without a reason`, { cause: error });
}

/** By its code, if it has one: the SDK also calls a connection that was reset a TimeoutError. */
function hasTimedOut(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code === 'ETIMEDOUT' : TIMEOUT.test(nameOf(error) ?? '');
}

/** Turns an error of the SDK into one of the port, for a write with `ifMatch`. */
export function translateConditionalError(error: unknown, key: string): Error {
  const status = statusOf(error);
  // AWS answers 404 to an If-Match on an object that is not there.
  const failed = status === 412 || status === 409 || isMissingObject(error);
  return failed ? new PreconditionFailed(key, error) : translateS3Error(error);
}

/**
 * Refusals that may be gone at the next try. A call without a precondition gets 409 and 412 only by mistake.
 */
const PASSING = [408, 409, 412, 429];

function nameOf(error: unknown): string | undefined {
  return (error as Partial<Error> | undefined)?.name;
}

function metadataOf(error: unknown): { httpStatusCode?: number; attempts?: number } | undefined {
  return (error as Partial<ServiceException> | undefined)?.$metadata;
}
