import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
};

/** A file in one encoding. */
export interface Encoded {
  bytes: Buffer;
  /** Of the bytes, without quotes: the same on every replica of a release. */
  tag: string;
}

/** A file as browsers load it, plain and compressed: it is the same as long as the process lives. */
export interface WebFile {
  type: string;
  plain: Encoded;
  gzip: Encoded;
}

/** What `web/` is built into, by the names of the files, such as `visage.js`. */
export type WebFiles = ReadonlyMap<string, WebFile>;

const BUILT = new URL('../../web/dist/', import.meta.url);

/** @throws Error if the build has not made them */
export async function readWebFiles(): Promise<WebFiles> {
  const names = await readdir(BUILT);
  return new Map(await Promise.all(names.map(async (name) => [name, await readWebFile(name)] as const)));
}

async function readWebFile(name: string): Promise<WebFile> {
  const type = TYPES[extname(name)];
  if (type === undefined) throw new Error(`web/dist has ${name}, which is nothing that browsers load`);
  const plain = await readFile(new URL(name, BUILT));
  const zipped = await promisify(gzip)(plain, { level: constants.Z_BEST_COMPRESSION });
  return { type, plain: encoded(plain), gzip: encoded(zipped) };
}

function encoded(bytes: Buffer): Encoded {
  return { bytes, tag: createHash('sha256').update(bytes).digest('hex') };
}
