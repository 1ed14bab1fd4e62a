import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Settings } from '../config/settings.js';
import { isVersion, timeOfVersion } from '../model/keys.js';
import {
  DamagedRecord,
  RECORD,
  describeStorage,
  identityOf,
  namesIn,
  readRecord,
  slotsOf,
} from '../outbox/storage-record.js';
import type { Repairable } from './inspector.js';

/**
 * An entry that waits longer than this, in ms, though the bucket answers, waits for a service that does not
 * run.
 */
const STUCK_AFTER_MS = 3_600_000;

/**
 * Reports entries of this machine's outbox that nobody carries out. It changes nothing: the outbox is the
 * service's.
 */
export async function* stuckInOutbox(settings: Settings): AsyncIterable<Repairable> {
  for (const slot of await slotsOf(settings.outboxPath)) {
    const { purpose, advice } = await destinationOf(slot, settings);
    for (const [place, name] of await entriesIn(slot)) {
      const where = join(slot, place, `${name}.json`);
      if (place === 'aside') {
        const reason = await reasonOf(join(slot, place, `${name}.reason`));
        const message = `An accepted change${purpose} cannot be carried out: ${reason}`;
        yield { code: 'outbox_set_aside', where, message };
        continue;
      }
      const since = isVersion(name) ? timeOfVersion(name) : 0;
      if (Date.now() - since > STUCK_AFTER_MS) {
        const message = `A change${purpose}, accepted at ${new Date(since).toISOString()}, still waits: ${advice}`;
        yield { code: 'outbox_stuck', where, message };
      }
    }
  }
}

async function entriesIn(slot: string): Promise<[place: 'aside' | 'pending', name: string][]> {
  const found: [place: 'aside' | 'pending', name: string][] = [];
  for (const place of ['aside', 'pending'] as const) {
    for (const file of await namesIn(join(slot, place))) {
      if (file.endsWith('.json')) found.push([place, file.slice(0, -'.json'.length)]);
    }
  }
  return found;
}

/**
 * For which storage the entries of a slot are, if not for that of the settings, and what to do about them.
 */
async function destinationOf(slot: string, settings: Settings): Promise<{ purpose: string; advice: string }> {
  const hasOutbox = settings.storageBackend === 's3' && settings.storageFallback !== 'none';
  const ours = hasOutbox ? identityOf(settings) : undefined;
  try {
    const storage = await readRecord(slot);
    if (ours && isDeepStrictEqual(storage ?? ours, ours))
      return { purpose: '', advice: 'start the service here.' };
    return {
      purpose: storage ? ` for ${describeStorage(storage)}` : ' for a bucket',
      advice: 'start a service for it with STORAGE_FALLBACK=local on this OUTBOX_PATH.',
    };
  } catch (error) {
    if (!(error instanceof DamagedRecord)) throw error;
    return {
      purpose: ' for an unknown storage',
      advice: `repair ${join(slot, RECORD)}, which should name its bucket.`,
    };
  }
}

async function reasonOf(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'no reason was noted';
    throw error;
  }
}
