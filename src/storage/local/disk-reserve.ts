import { mkdir, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { keepChecksum } from './file-checksum.js';
import { codeOf, isFull } from './file-errors.js';

/** In bytes. More than the largest manifest, that of the longest history that the settings allow. */
const SIZE = 512 * 1024;

/** Several, because others may take the room that one sets free before it can be filled again. */
const FILES = ['0', '1', '2', '3'];

/**
 * Keeps room back on a disk, so that an object can be replaced when nothing is left: a delete has to write,
 * too. It consists of a few files. The blocks of one become those of the new object, and the replaced object
 * makes room to fill it again. One process at a time may use it. It works on file systems that write in
 * place, such as ext4, XFS and tmpfs.
 */
export class DiskReserve {
  /** @param folder made if it is absent; the folder above has to be there */
  constructor(private readonly folder: string) {}

  /** Makes the reserve as large as it should be, or as the disk allows. */
  async fill(): Promise<void> {
    try {
      await makeInExisting(this.folder);
      for (const name of FILES) await fillUp(join(this.folder, name));
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  /**
   * Makes a file with these bytes out of the reserve, and fsyncs it.
   * @param sum the SHA-256 of the bytes, in hex
   * @throws the file system's ENOSPC if the reserve is too small or used up
   */
  async write(path: string, bytes: Buffer, sum: string): Promise<void> {
    await this.use(Math.max(1, bytes.length), path);
    const file = await open(path, 'r+');
    try {
      await file.writeFile(bytes);
      await file.truncate(bytes.length);
      await keepChecksum(file, sum);
      await this.fill();
      await file.sync();
    } finally {
      await file.close();
    }
  }

  private async use(bytes: number, path: string): Promise<void> {
    for (const name of FILES) {
      const file = join(this.folder, name);
      if ((await sizeOf(file)) < bytes) continue;
      await rename(file, path);
      return;
    }
    throw Object.assign(new Error('the disk is full and its reserve is used up'), { code: 'ENOSPC' });
  }
}

/** Fails if the folder above is gone, unlike `makeFolder`: a root that went away must not be made anew. */
async function makeInExisting(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0;
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
