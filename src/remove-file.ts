import { unlink } from 'node:fs/promises';

/** Removes a file that may be gone already, in one call to the file system where Node's `rm` makes three. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
