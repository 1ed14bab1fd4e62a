import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

/** The module of `<visage-avatar-upload>` in one encoding. */
export interface Script {
  bytes: Buffer;
  /** Of the bytes, without quotes: the same on every replica of a release. */
  tag: string;
}

/** The script as pages load it, plain and compressed: it is the same as long as the process lives. */
export interface ElementScript {
  plain: Script;
  gzip: Script;
}

const BUILT = new URL('../../web/dist/visage.js', import.meta.url);

/** @throws Error if the build has not made it */
export async function readElementScript(): Promise<ElementScript> {
  const plain = await readFile(BUILT);
  const level = constants.Z_BEST_COMPRESSION;
  return { plain: scriptOf(plain), gzip: scriptOf(await promisify(gzip)(plain, { level })) };
}

function scriptOf(bytes: Buffer): Script {
  return { bytes, tag: createHash('sha256').update(bytes).digest('hex') };
}
