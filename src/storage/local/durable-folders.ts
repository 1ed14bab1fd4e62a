import { open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Sees to it that what was made, moved or removed in a folder below a root survives a crash of the machine. */
export class DurableFolders {
  private rootKept: Promise<unknown> | undefined;

  constructor(private readonly root: string) {}

  /** @param path the folder; every one up to the root is fsynced, as another process may have made one and not have got so far */
  async sync(path: string): Promise<void> {
    const folders = [this.root];
    for (let folder = path; folder !== this.root; folder = dirname(folder)) folders.push(folder);
    await Promise.all([...folders.map(syncFolder), this.keepRoot()]);
  }

  /** Once: the root itself may be new, made by us or by a process that was killed before it got here. */
  private async keepRoot(): Promise<void> {
    this.rootKept ??= Promise.all(foldersAbove(this.root).map(syncForeignFolder)).catch((error: unknown) => {
      this.rootKept = undefined;
      throw error;
    });
    await this.rootKept;
  }
}

/** One that was removed in the meantime has nothing left to make durable but its absence, which its parent tells. */
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

/** One above the root. Where it is out of our reach, or of a kind that has no fsync, no folder of ours was made in it. */
async function syncForeignFolder(path: string): Promise<void> {
  try {
    await syncFolder(path);
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS', 'EINVAL'].includes(codeOf(error) ?? '')) throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
