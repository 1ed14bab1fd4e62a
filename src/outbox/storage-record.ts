import { readFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Settings } from '../config/settings.js';
import { addressOf } from '../storage/s3/address-of.js';

/**
 * Identifies the storage that the entries of a slot are for. Holds no secret. Two identities are the same if
 * they are deeply equal.
 */
export type StorageIdentity =
  | { bucket: string; endpoint: string }
  /** At AWS. */
  | { bucket: string; region: string };

/** The file in which a slot keeps the identity of its storage, as JSON. */
export const RECORD = 'storage.json';

/** A record exists and cannot be read. */
export class DamagedRecord extends Error {}

/** The identity of the bucket in the settings. */
export function identityOf(settings: Settings): StorageIdentity {
  const { storageS3Bucket: bucket = '', storageS3Endpoint: endpoint, storageS3Region: region } = settings;
  return endpoint === undefined ? { bucket, region } : { bucket, endpoint: addressOf(endpoint) };
}

/** Describes a storage for people. */
export function describeStorage(storage: StorageIdentity): string {
  return `bucket ${storage.bucket} at ${'endpoint' in storage ? storage.endpoint : `AWS ${storage.region}`}`;
}

/**
 * Reads which storage a slot is for, and leaves the slot as it is.
 * @param slot the path of its folder, which may be absent
 * @returns undefined if nothing is recorded: the slot is unused, or an older release used it
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

/** The paths of the slots of an outbox, sorted. @returns none if the outbox is absent */
export async function slotsOf(outbox: string): Promise<string[]> {
  const names = (await namesIn(outbox)).filter((name) => /^slot-\d+$/.test(name));
  return names.map((name) => join(resolve(outbox), name));
}

/** Counts the entries that wait in a slot, and leaves it as it is. */
export async function countEntries(slot: string): Promise<number> {
  return (await namesIn(join(slot, 'pending'))).filter((name) => name.endsWith('.json')).length;
}

/** The names of files and folders in a folder, sorted. @returns none if it is absent */
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
