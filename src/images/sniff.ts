import { open } from 'node:fs/promises';
import type { SourceFormat } from './image-pipeline.js';

/** First bytes of each format, as their specifications give them; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [SourceFormat, RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n.\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF.{4}WEBP/s],
  ['avif', /^.{4}ftypavi[fs]/s],
];

/** How far behind the end of a GIF something else may follow. */
const TAIL_BYTES = 64;

/** The format that a file's first bytes claim, so that no decoder ever sees anything else. */
export async function sniff(path: string): Promise<SourceFormat | undefined> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(16), position: 0 });
    const head = buffer.toString('latin1', 0, bytesRead);
    return SIGNATURES.find(([, signature]) => signature.test(head))?.[0];
  } finally {
    await file.close();
  }
}

/**
 * Whether a GIF breaks off: libvips takes one for an animation of the frames that are there. The last block ends with a zero
 * and is followed by the trailer, GIF89a, section 27.
 */
export async function isCutOffGif(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const tail = { buffer: Buffer.alloc(TAIL_BYTES), position: Math.max(0, size - TAIL_BYTES) };
    const { buffer } = await file.read(tail);
    return !buffer.includes('\0;');
  } finally {
    await file.close();
  }
}
