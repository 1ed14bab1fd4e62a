import { readFile, readdir } from 'node:fs/promises';
import { extname } from 'node:path';
import { sha256Hex } from '../model/sha256.js';

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

/** What the build adds to the name of a file for its compressed copy. */
const ZIPPED = '.gz';

const BUILT = new URL('../../web/dist/', import.meta.url);

/** @throws Error if the build has not made them */
export async function readWebFiles(): Promise<WebFiles> {
  // Each is there twice.
  const names = (await readdir(BUILT)).filter((name) => !name.endsWith(ZIPPED));
  return new Map(await Promise.all(names.map(async (name) => [name, await readWebFile(name)] as const)));
}

async function readWebFile(name: string): Promise<WebFile> {
  const type = TYPES[extname(name)];
  if (type === undefined) throw new Error(`web/dist has ${name}, which is nothing that browsers load`);
  return { type, plain: await readEncoded(name), gzip: await readEncoded(`${name}${ZIPPED}`) };
}

async function readEncoded(name: string): Promise<Encoded> {
  const bytes = await readFile(new URL(name, BUILT));
  return { bytes, tag: sha256Hex(bytes) };
}
