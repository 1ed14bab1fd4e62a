import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '../errors.js';
import { makeFolder, removeFile } from '../files.js';

const PREFIX = 'visage-upload-';

/**
 * The least of an upload that may wait in memory to be written: one chunk from the network. Less would gain
 * nothing.
 */
export const LEAST_BUFFER_BYTES = 64 * 1024;

/** A file that is older than this, in ms, belongs to a process that died. */
const STALE_AFTER_MS = 3_600_000;

/** An upload in progress, as a file on disk, so that memory does not grow with the number of uploads. */
export class SpooledUpload {
  readonly path: string;
  private readonly hash = createHash('sha256');
  private size = 0;
  private writing: Promise<unknown> = Promise.resolve();

  /**
   * @param maxBytes the longest file accepted
   * @param bufferBytes how much may wait in memory to be written; with more the disk is written in larger
   * pieces, which is faster
   */
  constructor(
    folder: string,
    private readonly maxBytes: number,
    private readonly bufferBytes = LEAST_BUFFER_BYTES,
  ) {
    this.path = join(folder, `${PREFIX}${randomUUID()}`);
  }

  /** SHA-256 of the bytes, in hex. Call it once, after `write` has resolved. */
  digest(): string {
    return this.hash.digest('hex');
  }

  /**
   * Writes a stream to the file until the stream ends or is destroyed. It stops at the first byte too many,
   * and leaves the rest unread without destroying the stream: multer would take that for the end of its form.
   * @throws CodedError `upload_too_large`, `empty_file`, `storage_full`
   */
  write(source: Readable): Promise<void> {
    const written = this.receive(source);
    this.writing = written.catch(() => undefined);
    return written;
  }

  /** Removes the file. Call it after the last write, or after the stream was destroyed. */
  async discard(): Promise<void> {
    // The file may be about to be created.
    await this.writing;
    await removeFile(this.path);
  }

  private async receive(source: Readable): Promise<void> {
    const file = createWriteStream(this.path, { flags: 'wx', mode: 0o600, highWaterMark: this.bufferBytes });
    try {
      await pipeline(this.counted(source), file);
    } catch (error) {
      // A pipeline that fails does not wait for a file that is being created.
      if (!file.closed) await new Promise<void>((resolve) => file.once('close', resolve));
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      throw new CodedError(
        'storage_full',
        'The server has no room left for uploads. Its operator has to make some.',
        { cause: error },
      );
    }
    if (this.size === 0) throw new CodedError('empty_file', 'The file is empty. Choose another one.');
  }

  private async *counted(source: Readable): AsyncIterable<Buffer> {
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      const bytes = chunk as Buffer;
      this.size += bytes.length;
      if (this.size > this.maxBytes) throw tooLarge(this.maxBytes);
      this.hash.update(bytes);
      yield bytes;
    }
  }
}

export function tooLarge(maxBytes: number): CodedError {
  return new CodedError(
    'upload_too_large',
    `The file is larger than ${maxBytes} bytes, the most that is accepted. Make it smaller.`,
  );
}

/** Creates the folder, and removes the files that killed processes left in it. */
export async function prepareSpool(folder: string): Promise<void> {
  await makeFolder(folder);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(folder, name);
    if (Date.now() - (await modifiedMs(path)) > STALE_AFTER_MS) await removeFile(path);
  }
}

/**
 * Another process that shares the folder may have removed its file meanwhile: that counts as modified now.
 */
async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Date.now();
    throw error;
  }
}
