import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Settings } from '../config/settings.js';

/** Which storage the entries of a slot are for. Holds no secret; two are the same storage if they are deeply equal. */
export type StorageIdentity =
  | { bucket: string; endpoint: string }
  /** At AWS. */
  | { bucket: string; region: string };

/** Where a slot keeps the identity of its storage, as JSON. */
export const RECORD = 'storage.json';

/** A record that is there and cannot be read. */
export class DamagedRecord extends Error {}

/** The storage that the settings of S3 name. */
export function identityOf(settings: Settings): StorageIdentity {
  const { storageS3Bucket: bucket = '', storageS3Endpoint: endpoint, storageS3Region: region } = settings;
  return endpoint === undefined ? { bucket, region } : { bucket, endpoint: addressOf(endpoint) };
}

/** An identity in words, for the log. */
export function describeStorage(storage: StorageIdentity): string {
  return `bucket ${storage.bucket} at ${'endpoint' in storage ? storage.endpoint : `AWS ${storage.region}`}`;
}

/**
 * Reads which storage a slot is for, and leaves the slot as it is.
 * @param slot the path of its folder, which may be absent
 * @returns undefined where nothing is recorded: nobody has used the slot, or an older release has
 * @throws DamagedRecord
 */
export async function readRecord(slot: string): Promise<StorageIdentity | undefined> {
  try {
    return parse(await readFile(join(slot, RECORD), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new DamagedRecord((error as Error).message, { cause: error });
  }
}

/** The paths of the slots of an outbox, sorted. @returns none where the outbox is absent */
export async function slotsOf(outbox: string): Promise<string[]> {
  const names = (await namesIn(outbox)).filter((name) => /^slot-\d+$/.test(name));
  return names.map((name) => join(resolve(outbox), name));
}

/** How many entries wait in a slot, which is left as it is. */
export async function countEntries(slot: string): Promise<number> {
  return (await namesIn(join(slot, 'pending'))).filter((name) => name.endsWith('.json')).length;
}

/** The files and folders in a folder, sorted. @returns none where it is absent */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

function parse(text: string): StorageIdentity {
  const { bucket, endpoint, region } = JSON.parse(text) as Record<string, unknown>;
  if (typeof bucket !== 'string' || bucket === '') throw new Error('it names no bucket');
  if (typeof endpoint === 'string') return { bucket, endpoint: addressOf(endpoint) };
  if (endpoint !== undefined || typeof region !== 'string' || region === '') {
    throw new Error('it names neither an endpoint nor a region');
  }
  return { bucket, region };
}

/** One way to write a URL of several, without a user and password. @throws Error where it is no URL of HTTP */
function addressOf(endpoint: string): string {
  const { protocol, host, pathname } = new URL(endpoint);
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error(`${protocol} is not HTTP`);
  return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`;
}
