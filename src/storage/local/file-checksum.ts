import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { getAttr, setAttr } from 'fs-native-extensions';
import { codeOf } from './file-errors.js';

/** The extended attribute (xattr(7)) with the SHA-256 of a file and the time of its last change. */
const ATTRIBUTE = 'user.visage.sha256';
const SUM_BYTES = 32;

/** File systems without extended attributes, or without room for one. Their files go without. */
const UNSUPPORTED = ['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM', 'ENOSPC', 'EDQUOT', 'E2BIG', 'ERANGE'];

/**
 * Keeps the checksum of a file that was just written with the file.
 * @param sum 64 hex digits
 */
export async function keepChecksum(file: FileHandle, sum: string): Promise<void> {
  const { mtimeNs } = await file.stat({ bigint: true });
  const value = Buffer.alloc(SUM_BYTES + 8);
  value.write(sum, 'hex');
  value.writeBigInt64BE(mtimeNs, SUM_BYTES);
  try {
    await setAttr(file.fd, ATTRIBUTE, value);
  } catch (error) {
    if (!UNSUPPORTED.includes(codeOf(error) ?? '')) throw error;
  }
}

/**
 * The checksum that a file was stored with.
 * @param found what the file system says of the file after it was read
 * @returns 64 hex digits; undefined if there is none, or somebody has changed the file since, as when it is restored from a backup
 */
export async function checksumOf(file: FileHandle, found: BigIntStats): Promise<string | undefined> {
  const value = await attributeOf(file);
  if (value?.length !== SUM_BYTES + 8 || value.readBigInt64BE(SUM_BYTES) !== found.mtimeNs) return undefined;
  return value.toString('hex', 0, SUM_BYTES);
}

async function attributeOf(file: FileHandle): Promise<Buffer | null> {
  try {
    return await getAttr(file.fd, ATTRIBUTE);
  } catch (error) {
    if (UNSUPPORTED.includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}
