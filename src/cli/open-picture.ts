import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { S3Store } from '../storage/s3/s3.store.js';
import { tooLarge } from '../uploads/spooled-upload.js';
import { Refused } from './command.js';

/** @throws Refused */
export async function openFile(path: string): Promise<Readable> {
  const source = createReadStream(path);
  try {
    await once(source, 'open');
    return source;
  } catch (error) {
    throw new Refused('file_unreadable', (error as Error).message);
  }
}

/**
 * Reads an object whole, unless it is larger than an upload may be.
 * @param listed its key, and its size in bytes as a listing gave it
 * @throws CodedError `upload_too_large`; Refused if it is gone; what the store throws
 */
export async function openObject(
  store: S3Store,
  { key, size }: { key: string; size: number },
  maxBytes: number,
): Promise<Readable> {
  if (size > maxBytes) throw tooLarge(maxBytes);
  const object = await store.getForeign(key);
  if (!object) throw new Refused('file_not_found', `There is no object ${key} any more.`);
  return Readable.from([object.bytes]);
}
