import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '../errors.js';
import { makeFolder, removeFile } from '../files.js';

const PREFIX = 'visage-upload-';

/** How much of an upload may wait in memory to be written: less than one chunk from the network would bring nothing. */
export const LEAST_BUFFER_BYTES = 64 * 1024;

/** A file older than this, in ms, belongs to a process that died. */
const STALE_AFTER_MS = 3_600_000;

/** An upload on its way: a file on disk, so that memory does not grow with the number of uploads. */
export class SpooledUpload {
  readonly path: string;
  private readonly hash = createHash('sha256');
  private size = 0;
  private writing: Promise<unknown> = Promise.resolve();

  /** @param bufferBytes how much may wait in memory to be written; more of it is written at once, and so sooner */
  constructor(
    folder: string,
    private readonly maxBytes: number,
    private readonly bufferBytes = LEAST_BUFFER_BYTES,
  ) {
    this.path = join(folder, `${PREFIX}${randomUUID()}`);
  }

  /** SHA-256 of the bytes, in hex; to be asked for once, when all are there. */
  digest(): string {
    return this.hash.digest('hex');
  }

  /**
   * Takes a stream in, until it ends or is destroyed. It stops at the first byte too many and leaves the stream unread from
   * there on, not destroyed: multer would take that for the end of its form.
   * @throws CodedError `upload_too_large`, `empty_file`, `storage_full`
   */
  write(source: Readable): Promise<void> {
    const written = this.takeIn(source);
    this.writing = written.catch(() => undefined);
    return written;
  }

  /** To be called once nothing more is written, or the stream is destroyed. */
  async discard(): Promise<void> {
    // The file may be about to be made.
    await this.writing;
    await removeFile(this.path);
  }

  private async takeIn(source: Readable): Promise<void> {
    const file = createWriteStream(this.path, { flags: 'wx', mode: 0o600, highWaterMark: this.bufferBytes });
    try {
      await pipeline(this.counted(source), file);
    } catch (error) {
      // A pipeline that fails does not wait for a file that is being made.
      if (!file.closed) await new Promise<void>((resolve) => file.once('close', resolve));
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      throw new CodedError('storage_full', 'There is no room left to take the upload in.', { cause: error });
    }
    if (this.size === 0) throw new CodedError('empty_file', 'The file is empty.');
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
  return new CodedError('upload_too_large', `The file is larger than ${maxBytes} bytes.`);
}

/** Makes the folder, and removes what processes that were killed left in it. */
export async function prepareSpool(folder: string): Promise<void> {
  await makeFolder(folder);
  for (const name of await readdir(folder)) {
    if (!name.startsWith(PREFIX)) continue;
    const path = join(folder, name);
    if (Date.now() - (await modifiedMs(path)) > STALE_AFTER_MS) await removeFile(path);
  }
}

/** Another process that shares the folder may have removed its file meanwhile: then it is as new as can be. */
async function modifiedMs(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Date.now();
    throw error;
  }
}
