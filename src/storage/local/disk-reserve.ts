import { mkdir, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** In bytes. The longest history that the settings allow makes a manifest that is smaller. */
const SIZE = 512 * 1024;

/** Others may take what a file of the reserve sets free, before it can be filled again. */
const FILES = ['0', '1', '2', '3'];

/**
 * Room that is kept back on a disk, so that an object can be replaced when nothing is left: a delete has to write, too. It
 * is some files; the blocks of one become those of the new object, and what that replaces makes room for the next one.
 * One process at a time may use it. Holds on file systems that write in place, as ext4, XFS and tmpfs do.
 */
export class DiskReserve {
  /** @param folder made where it is absent; not so the one that it lies in */
  constructor(private readonly folder: string) {}

  /** Makes it as large as it should be, or as the disk allows. */
  async fill(): Promise<void> {
    try {
      await makeFolder(this.folder);
      for (const name of FILES) await fillUp(join(this.folder, name));
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /**
   * Makes a file with these bytes out of the reserve, and fsyncs it.
   * @throws the file system's ENOSPC where the reserve is too small, or used up
   */
  async write(path: string, bytes: Buffer): Promise<void> {
    await this.take(Math.max(1, bytes.length), path);
    const file = await open(path, 'r+');
    try {
      await file.writeFile(bytes);
      await file.truncate(bytes.length);
      await this.fill();
      await file.sync();
    } finally {
      await file.close();
    }
  }

  private async take(bytes: number, path: string): Promise<void> {
    for (const name of FILES) {
      const file = join(this.folder, name);
      if ((await sizeOf(file)) < bytes) continue;
      await rename(file, path);
      return;
    }
    throw Object.assign(new Error('the disk is full, and its reserve used up'), { code: 'ENOSPC' });
  }
}

/** Whether the disk, or the share that is allowed to us, is used up. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

async function fillUp(path: string): Promise<void> {
  const file = await open(path, 'a');
  try {
    const { size } = await file.stat();
    if (size >= SIZE) return;
    await file.writeFile(Buffer.alloc(SIZE - size, 1));
    await file.sync();
  } finally {
    await file.close();
  }
}
