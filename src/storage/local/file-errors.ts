import { CodedError } from '../../errors.js';
import { StorageFull, StorageRefused, StorageUnavailable } from '../object-store.js';

/** The code that the file system gave an error, such as ENOENT. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/**
 * Whether there is no object at a path. A symbolic link (ELOOP, open(2)) is none: it could lead out of the
 * root.
 */
export function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(codeOf(error) ?? '');
}

/** Whether the disk, or our quota of it, is used up. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '');
}

/** Runs a call of the port. @throws an error of the port instead of one of the file system */
export async function translated<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw translateFileError(error);
  }
}

function translateFileError(error: unknown): unknown {
  if (error instanceof CodedError) return error;
  if (isFull(error)) return new StorageFull(error);
  switch (codeOf(error)) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTSUP':
      return new StorageRefused(error);
    default:
      return new StorageUnavailable(error);
  }
}
