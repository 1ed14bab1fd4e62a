import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { v7 as uuidv7 } from 'uuid';
import { writeAlias } from '../../../src/model/alias.js';
import { aliasKey, manifestKey, pictureKey } from '../../../src/model/keys.js';
import { readManifest, writeManifest } from '../../../src/model/manifest-format.js';
import { apply } from '../../../src/model/intents.js';
import { type Manifest, type Version, emptyManifest } from '../../../src/model/manifest.js';
import type { ObjectStore } from '../../../src/storage/object-store.js';
import { SEED } from '../../support/programme.js';
import { randoms } from '../../support/randoms.mjs';

export interface Sample {
  master: Buffer;
  renditions: Record<string, Buffer>;
}

/** Objects written so much later are younger, even if a server gives times in whole seconds. */
export const SECOND_MS = 1100;

const SIDE = 96;

/** A picture as the service would have made it, another one for each number. */
export async function sample(i: number): Promise<Sample> {
  const next = randoms(SEED + i);
  const noise = Buffer.from(Array.from({ length: SIDE * SIDE * 3 }, () => next() * 256));
  const master = await sharp(noise, { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
  const small = await sharp(master).resize(64).webp().toBuffer();
  return { master, renditions: { '64.webp': small } };
}

export function samples(count: number): Promise<Sample[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => sample(i)));
}

/** Writes an avatar past the service: versions uploaded one minute apart, each with its renditions. */
export async function putAvatar(
  store: ObjectStore,
  id: string,
  pictures: readonly Sample[],
  { at = Date.now() - 86_400_000, change = {} } = {},
): Promise<Manifest> {
  const versions: Version[] = [];
  for (const [i, { master, renditions }] of pictures.entries()) {
    const msecs = at + i * 60_000;
    const version = uuidv7({ msecs });
    const sha256 = createHash('sha256').update(master).digest('hex');
    versions.unshift({
      version,
      source: createHash('sha256').update(`${id} ${i}`).digest('hex'),
      master: 'jpeg',
      width: SIDE,
      height: SIDE,
      animated: false,
      bytes: master.length,
      sha256,
      thumbhash: 'AAAA',
      color: '#808080',
      uploadedAt: new Date(msecs).toISOString(),
      ...change,
    });
    for (const [name, bytes] of Object.entries({ 'master.jpeg': master, ...renditions })) {
      await store.store(pictureKey(id, version, name), bytes);
    }
  }
  const [newest] = versions;
  if (!newest) throw new Error('an avatar has a version at least');
  const head = { at: newest.uploadedAt, version: newest.version };
  const manifest: Manifest = { schema: 1, id, current: newest.version, versions, head };
  await store.store(manifestKey(id), writeManifest(manifest));
  return manifest;
}

/** A hash as that of an address, all different. */
export function hashOf(i: number): string {
  return createHash('md5').update(String(i)).digest('hex');
}

/** Registers hashes past the service, and removes those that the avatar had before. */
export async function putAliases(
  store: ObjectStore,
  id: string,
  hashes: readonly string[],
  at = new Date().toISOString(),
): Promise<void> {
  const known = await store.exists(manifestKey(id));
  const before = known ? readManifest(id, await bytesOf(store, manifestKey(id))) : emptyManifest(id);
  for (const hash of hashes) await store.store(aliasKey(hash), writeAlias(id));
  const after = apply(before, { type: 'alias', at, hashes: [...hashes].sort() }, 10);
  await store.store(manifestKey(id), writeManifest(after));
  for (const hash of before.aliases?.hashes ?? []) {
    if (!hashes.includes(hash)) await store.delete(aliasKey(hash));
  }
}

/** SHA-256 of every avatar's objects, by key. */
export async function checksums(store: ObjectStore): Promise<Record<string, string>> {
  const sums: Record<string, string> = {};
  for (const prefix of ['aliases/', 'avatars/', 'manifests/']) {
    const keys: string[] = [];
    for await (const { key } of store.list(prefix)) keys.push(key);
    for (let i = 0; i < keys.length; i += 32) {
      await Promise.all(
        keys.slice(i, i + 32).map(async (key) => {
          sums[key] = createHash('sha256')
            .update(await bytesOf(store, key))
            .digest('hex');
        }),
      );
    }
  }
  return Object.fromEntries(Object.entries(sums).sort(([a], [b]) => (a < b ? -1 : 1)));
}

export async function bytesOf(store: ObjectStore, key: string): Promise<Buffer> {
  const object = await store.get(key);
  if (object === undefined || object === 'unchanged') throw new Error(`there is no ${key}`);
  return object.bytes;
}

export async function countOf(store: ObjectStore, prefix: string): Promise<number> {
  let count = 0;
  // eslint-disable-next-line @typescript-eslint/no-unused-vars -- only their number is asked for
  for await (const _ of store.list(prefix)) count++;
  return count;
}

/** When the objects of a store were written, by its own clock: all of them, or those with these keys. */
export async function timesOf(
  store: ObjectStore,
  keys?: readonly string[],
): Promise<{ first: number; last: number }> {
  const times: number[] = [];
  for await (const { key, modifiedAt } of store.list('')) {
    if (keys?.includes(key) ?? true) times.push(modifiedAt.getTime());
  }
  return { first: Math.min(...times), last: Math.max(...times) };
}
