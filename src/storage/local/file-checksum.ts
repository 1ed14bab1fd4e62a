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

/** What was kept with a file: its checksum, and the time of its last change then. */
export interface KeptChecksum {
  /** 64 hex digits. */
  sum: string;
  mtimeNs: bigint;
}

/** @returns undefined if nothing was kept */
export async function keptChecksum(file: FileHandle): Promise<KeptChecksum | undefined> {
  const value = await attributeOf(file);
  if (value?.length !== SUM_BYTES + 8) return undefined;
  return { sum: value.toString('hex', 0, SUM_BYTES), mtimeNs: value.readBigInt64BE(SUM_BYTES) };
}

async function attributeOf(file: FileHandle): Promise<Buffer | null> {
  try {
    return await getAttr(file.fd, ATTRIBUTE);
  } catch (error) {
    if (UNSUPPORTED.includes(codeOf(error) ?? '')) return null;
    throw error;
  }
}
