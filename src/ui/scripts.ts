import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

/** A module in one encoding. */
export interface Encoded {
  bytes: Buffer;
  /** Of the bytes, without quotes: the same on every replica of a release. */
  tag: string;
}

/** A module as browsers load it, plain and compressed: it is the same as long as the process lives. */
export interface Script {
  plain: Encoded;
  gzip: Encoded;
}

const BUILT = new URL('../../web/dist/', import.meta.url);

/**
 * Reads the modules of `web/`.
 * @returns by the names of their files, such as `visage.js`
 * @throws Error if the build has not made them
 */
export async function readScripts(): Promise<ReadonlyMap<string, Script>> {
  const names = (await readdir(BUILT)).filter((name) => name.endsWith('.js'));
  return new Map(await Promise.all(names.map(async (name) => [name, await readScript(name)] as const)));
}

async function readScript(name: string): Promise<Script> {
  const plain = await readFile(new URL(name, BUILT));
  const level = constants.Z_BEST_COMPRESSION;
  return { plain: encoded(plain), gzip: encoded(await promisify(gzip)(plain, { level })) };
}

function encoded(bytes: Buffer): Encoded {
  return { bytes, tag: createHash('sha256').update(bytes).digest('hex') };
}
