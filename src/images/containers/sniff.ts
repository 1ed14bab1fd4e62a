import type { SourceFormat } from '../../model/formats.js';
import { type Parser, parseFile } from './parse.js';

/** The first bytes of each format, from its specification; `.` stands for any byte. */
const SIGNATURES: readonly (readonly [SourceFormat, RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n.\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF.{4}WEBP/s],
  ['avif', /^.{4}ftypavi[fs]/s],
];

/** No signature is longer. */
const HEAD_BYTES = 16;

/** Tells a file's format by its first bytes, so that no decoder ever sees any other file. */
export function sniffFile(path: string): Promise<SourceFormat | undefined> {
  return parseFile(path, function* (size): Parser<SourceFormat | undefined> {
    const head = yield { position: 0, length: Math.min(HEAD_BYTES, size) };
    return head && sniffBytes(head);
  });
}

/** The same for a picture in memory. */
export function sniffBytes(bytes: Buffer): SourceFormat | undefined {
  const head = bytes.toString('latin1', 0, HEAD_BYTES);
  return SIGNATURES.find(([, signature]) => signature.test(head))?.[0];
}
