import { type FileHandle, open } from 'node:fs/promises';

/** How much is read at a time. A walk through one window is all that ever holds up the event loop. */
export const WINDOW_BYTES = 64 * 1024;

/** Random access to a file of any size that keeps only one window of it in memory. */
export class FileWindow {
  private start = 0;
  private bytes: Buffer = Buffer.alloc(0);

  /** @param size of the file in bytes */
  constructor(
    private readonly file: Pick<FileHandle, 'read'>,
    readonly size: number,
  ) {}

  /** The same over bytes that are in memory already. */
  static of(bytes: Buffer): FileWindow {
    const beyond = { read: () => Promise.reject(new Error('the window holds all there is')) };
    const window = new FileWindow(beyond, bytes.length);
    window.bytes = bytes;
    return window;
  }

  /** The bytes at a position if the window holds them all. Loops over small blocks use this: a promise for each costs too much. */
  held(position: number, length: number): Buffer | undefined {
    const offset = position - this.start;
    if (offset < 0 || offset + length > this.bytes.length) return undefined;
    return this.bytes.subarray(offset, offset + length);
  }

  /** The same for one byte. */
  heldByte(position: number): number | undefined {
    return this.bytes[position - this.start];
  }

  /**
   * The bytes at a position. Moves the window there unless it already holds them.
   * @param length at most `WINDOW_BYTES`
   * @returns undefined if the file ends before that
   */
  async read(position: number, length: number): Promise<Buffer | undefined> {
    const held = this.held(position, length);
    if (held || position + length > this.size) return held;
    const buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, this.size - position));
    const { bytesRead } = await this.file.read({ buffer, position });
    this.start = position;
    this.bytes = buffer.subarray(0, bytesRead);
    return this.held(position, length);
  }
}

/** Opens a file, lets `read` look at it, and closes it again. */
export async function reading<T>(path: string, read: (file: FileWindow) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await read(new FileWindow(file, (await file.stat()).size));
  } finally {
    await file.close();
  }
}
