import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Once } from '../../tools/once.js';
import { codeOf } from './file-errors.js';

/** Makes what was created, moved or removed in a folder below a root survive a crash of the machine. */
export class DurableFolders {
  /** The root itself may be new, made by us or by a process that was killed before it got here. */
  private readonly rootKept = new Once(() => Promise.all(foldersAbove(this.root).map(syncForeignFolder)));

  constructor(private readonly root: string) {}

  /**
   * @param path the folder. Every one up to the root is fsynced: another process may have made one and not
   * have got so far.
   */
  async sync(path: string): Promise<void> {
    const folders = [this.root];
    for (let folder = path; folder !== this.root; folder = dirname(folder)) folders.push(folder);
    await Promise.all([...folders.map(syncFolder), this.rootKept.run()]);
  }
}

/**
 * A folder that was removed meanwhile has nothing left to make durable but its absence, which is its parent's
 * to keep.
 */
async function syncFolder(path: string): Promise<void> {
  let folder;
  try {
    folder = await open(path, 'r');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return;
    throw error;
  }
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function foldersAbove(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...foldersAbove(parent)];
}

/** A folder above the root. If it is out of our reach, or has no fsync, no folder of ours was made in it. */
async function syncForeignFolder(path: string): Promise<void> {
  try {
    await syncFolder(path);
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'EINVAL'].includes(codeOf(error) ?? '')) throw error;
  }
}
