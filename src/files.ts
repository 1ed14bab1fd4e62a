import { mkdir, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it, if they are absent. Does not use `mkdir` with `recursive`: in Node 20
 * that never returns if the parent exists and takes no folders, like `/proc`.
 * @throws what the file system throws; ENOENT also if the parent is removed at the same moment
 */
export async function makeFolder(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await mkdir(path);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
      if (code !== 'ENOENT' || attempt === 2 || dirname(path) === path) throw error;
      await makeFolder(dirname(path));
    }
  }
}

/** Removes a file that may be gone already, in one call to the file system. Node's `rm` makes three. */
export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
