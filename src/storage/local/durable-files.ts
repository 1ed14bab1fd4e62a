import { link, open, rename, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder } from '../../files.js';
import { DurableFolders } from './durable-folders.js';
import { keepChecksum } from './file-checksum.js';
import { codeOf, isAbsent } from './file-errors.js';
import type { LocalRoot } from './local-root.js';

/**
 * The steps of a write that survives a crash: the bytes go to a new file, which is fsynced, then linked or
 * renamed to its place, and then every folder from there to the root is fsynced, and once those above it. A
 * crash of process or machine leaves the old file or the new one.
 */
export class DurableFiles {
  private readonly folders: DurableFolders;

  constructor(private readonly root: LocalRoot) {
    this.folders = new DurableFolders(root.path);
  }

  /**
   * Makes a file and fsyncs it. Its name may still be lost.
   * @param sum the SHA-256 of the bytes, in hex
   */
  async write(path: string, bytes: Buffer, sum: string): Promise<void> {
    const file = await this.inFolder(path, () => open(path, 'wx'));
    try {
      await file.writeFile(bytes);
      await keepChecksum(file, sum);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Gives a file a second name. @throws the file system's EEXIST if that is taken */
  async link(from: string, to: string): Promise<void> {
    await this.inFolder(to, () => link(from, to));
  }

  /** Puts a file in the place of another, if there is one. */
  async replace(from: string, to: string): Promise<void> {
    await this.inFolder(to, () => rename(from, to));
  }

  /** Makes the name of a file, or its absence, durable. */
  async sync(path: string): Promise<void> {
    await this.folders.sync(dirname(path));
  }

  /** Removes the folders that a file was the last one in. They bear the id of a user. */
  async removeEmptyFolders(path: string): Promise<void> {
    for (let folder = dirname(path); folder !== this.root.path; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (isAbsent(error)) continue;
        if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') break;
        throw error;
      }
    }
  }

  /** Runs a task that needs the file's folder. Makes the folder if it is absent, or was removed meanwhile. */
  private async inFolder<T>(path: string, task: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (attempt > 1) {
          await this.root.assertThere();
          await makeFolder(dirname(path));
        }
        return await task();
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === 10) throw error;
      }
    }
  }
}
