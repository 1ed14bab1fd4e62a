import { createHash } from 'node:crypto';
import { sha256Hex } from '../../model/sha256.js';

/** Whether etags are MD5 sums of the bytes, as they are at AWS without SSE-KMS and SSE-C. */
export type Etags = 'md5' | 'opaque';

/** The name of the user metadata with the SHA-256 of the bytes that we stored. */
export const CHECKSUM = 'visage-sha256';

/** The part of an answer by which its bytes can be checked. */
export interface Stated {
  ETag?: string | undefined;
  Metadata?: Record<string, string> | undefined;
  ServerSideEncryption?: string | undefined;
  SSECustomerAlgorithm?: string | undefined;
}

/**
 * How the bytes of an answer compare with what it states. `unchecked`: it states nothing that they could be
 * compared with.
 */
export type Verdict = 'whole' | 'mixed' | 'unchecked';

export function md5Hex(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

/**
 * The MD5 of the bytes that an etag states.
 * @returns undefined if the etag is none: of a multipart upload, or of an object that is encrypted with a key
 * of KMS or of the client (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html)
 */
export function md5Stated({ ETag, ServerSideEncryption, SSECustomerAlgorithm }: Stated): string | undefined {
  if (SSECustomerAlgorithm !== undefined || ServerSideEncryption?.startsWith('aws:kms')) return undefined;
  return /^"?([0-9a-f]{32})"?$/i.exec(ETag ?? '')?.[1]?.toLowerCase();
}

/** Tells what the etags of a server are. */
export interface KnownEtags {
  etags: () => Promise<Etags>;
  /** Looks whether that has changed. */
  etagsNow: () => Promise<Etags>;
}

/**
 * Compares the bytes of an answer with its etag, or if that is no MD5 with the checksum that we stored with
 * the object. Some servers give the etag of one write with the bytes of another while an object is replaced,
 * and a swap that starts from such a read would silently undo the other write.
 */
export async function compare(bytes: Buffer, stated: Stated, known: KnownEtags): Promise<Verdict> {
  const md5 = md5Stated(stated);
  if (md5 !== undefined && md5Hex(bytes) === md5) return 'whole';
  const ours = compareWithOurs(bytes, stated);
  if (md5 === undefined) return ours;
  const etags = await (ours === 'whole' ? known.etagsNow() : known.etags());
  return etags === 'md5' ? 'mixed' : ours;
}

/** Compares bytes with the checksum that we stored with the object, whatever its etag is. */
export function compareWithOurs(bytes: Buffer, { Metadata }: Stated): Verdict {
  const sum = Metadata?.[CHECKSUM];
  if (sum === undefined) return 'unchecked';
  return sum === sha256Hex(bytes) ? 'whole' : 'mixed';
}

/**
 * The etag of an object that the server took.
 * @param stated its answer. If the etag in it is that of another write, the one that our bytes have is
 * returned
 * @returns undefined if the answer has none
 */
export async function etagOfWritten(
  bytes: Buffer,
  stated: Stated,
  known: KnownEtags,
): Promise<string | undefined> {
  const md5 = md5Stated(stated);
  if (md5 === undefined || md5 === md5Hex(bytes)) return stated.ETag;
  return (await known.etagsNow()) === 'md5' ? `"${md5Hex(bytes)}"` : stated.ETag;
}
