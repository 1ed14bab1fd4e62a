import { type FileHandle, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Logger } from '@nestjs/common';
import { tryLock } from 'fs-native-extensions';
import { makeFolder } from '../files.js';
import { LocalStore } from '../storage/local/local.store.js';
import { Slot } from './slot.js';
import {
  DamagedRecord,
  RECORD,
  type StorageIdentity,
  countEntries,
  readRecord,
  slotsOf,
} from './storage-record.js';

/** More processes than this cannot share one path. */
const MAX_FOLDERS = 256;

/**
 * One folder for each process that shares the path of the outbox: `slot-0`, `slot-1`, ... A process holds a kernel's lock on
 * its own and on those that it took over; one that is killed lets go of them. A slot is for one storage: processes that use
 * another leave it alone.
 */
export class OutboxFolders {
  private readonly logger = new Logger(OutboxFolders.name);
  private readonly claimed = new Map<string, FileHandle>();
  /** Slots that the log knows of already. */
  private readonly toldForeign = new Set<string>();
  private readonly toldDamaged = new Set<string>();
  private readonly path: string;
  private first: Slot | undefined;

  /**
   * @param path made where it is absent
   * @param storage what the entries are for
   */
  constructor(
    path: string,
    private readonly storage: StorageIdentity,
  ) {
    this.path = resolve(path);
  }

  /** The folder that new entries go to. */
  get own(): Slot {
    if (!this.first) throw new Error('no folder was claimed yet');
    return this.first;
  }

  /**
   * Locks every folder of our storage that nobody holds; the first call makes one where there is none.
   * @returns the folders that this call added, each as soon as it is locked
   */
  async *claim(): AsyncIterable<Slot> {
    await makeFolder(this.path);
    for (const path of await slotsOf(this.path)) {
      const slot = await this.take(path);
      if (slot) yield slot;
    }
    for (let number = 0; !this.first; number++) {
      if (number === MAX_FOLDERS) throw new Error(`${this.path} has no free slot`);
      const slot = await this.take(join(this.path, `slot-${number}`));
      if (slot) yield slot;
    }
  }

  async release(): Promise<void> {
    for (const lock of this.claimed.values()) await lock.close();
    this.claimed.clear();
  }

  /** @returns undefined where the folder is another's, or ours already */
  private async take(path: string): Promise<Slot | undefined> {
    // Before it is locked as well, so that the services of another storage never find a slot of theirs locked.
    if (this.claimed.has(path) || (await this.ownership(path)) === 'foreign') return undefined;
    await makeFolder(path);
    const lock = await open(join(path, '.owner'), 'a');
    try {
      if (!tryLock(lock.fd)) return undefined;
      const ownership = await this.ownership(path);
      if (ownership === 'foreign') return undefined;
      const store = new LocalStore({ path, lockTimeoutMs: LOCK_TIMEOUT_MS });
      await store.check();
      if (ownership === 'unrecorded') await store.store(RECORD, Buffer.from(JSON.stringify(this.storage)));
      this.claimed.set(path, lock);
      const slot = new Slot(path, store);
      this.first ??= slot;
      return slot;
    } finally {
      if (!this.claimed.has(path)) await lock.close();
    }
  }

  private async ownership(path: string): Promise<'ours' | 'foreign' | 'unrecorded'> {
    try {
      const storage = await readRecord(path);
      if (storage === undefined) return 'unrecorded';
      if (isDeepStrictEqual(storage, this.storage)) return 'ours';
      await this.tellForeign(path, storage);
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.tellDamaged(path, error);
    }
    return 'foreign';
  }

  private async tellForeign(slot: string, storage: StorageIdentity): Promise<void> {
    const entries = this.toldForeign.has(slot) ? 0 : await countEntries(slot);
    if (entries === 0) return;
    this.toldForeign.add(slot);
    this.logger.warn(
      { slot, entries, storage },
      'an outbox slot holds changes for another storage, and this service leaves them alone. Start a service with these ' +
        `settings on this OUTBOX_PATH, if none runs. If it is the bucket of this service under a new address, correct ${RECORD} ` +
        'in the slot',
    );
  }

  private tellDamaged(slot: string, err: DamagedRecord): void {
    if (this.toldDamaged.has(slot)) return;
    this.toldDamaged.add(slot);
    this.logger.error(
      { slot, err },
      `an outbox slot does not say which storage its changes are for, and is left alone. Write it into ${RECORD} in the slot; ` +
        `for the storage of this service: ${JSON.stringify(this.storage)}`,
    );
  }
}

/** Nobody else writes to a folder that is locked. */
const LOCK_TIMEOUT_MS = 10_000;
