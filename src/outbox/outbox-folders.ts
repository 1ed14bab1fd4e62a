import { type FileHandle, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Logger } from '@nestjs/common';
import { tryLock } from 'fs-native-extensions';
import { makeFolder } from '../files.js';
import { LocalStore } from '../storage/local/local.store.js';
import { LogOnce } from '../tools/log-once.js';
import { Slot } from './slot.js';
import {
  DamagedRecord,
  RECORD,
  type StorageIdentity,
  countEntries,
  readRecord,
  slotsOf,
} from './storage-record.js';

/** How many processes can share one path. */
const MAX_FOLDERS = 256;

/**
 * Gives each process that shares the path of the outbox a folder of its own: `slot-0`, `slot-1`, ... A
 * process holds a kernel lock on its slot and on those that it took over. The kernel releases the locks when
 * the process dies. A slot belongs to one storage: processes with another storage leave it alone.
 */
export class OutboxFolders {
  private readonly logger = new Logger(OutboxFolders.name);
  private readonly claimed = new Map<string, FileHandle>();
  private readonly foreign = new LogOnce(Infinity, MAX_FOLDERS);
  private readonly damaged = new LogOnce(Infinity, MAX_FOLDERS);
  private readonly path: string;
  private first: Slot | undefined;

  /**
   * @param path created if it is absent
   * @param storage that the entries are for
   */
  constructor(
    path: string,
    private readonly storage: StorageIdentity,
  ) {
    this.path = resolve(path);
  }

  /** The folder that new entries go to. */
  get own(): Slot {
    if (!this.first) throw new Error('claim() has not run yet');
    return this.first;
  }

  /**
   * Locks every free folder of our storage. The first call makes one if there is none.
   * @returns the folders that this call added, each as soon as it is locked
   */
  async *claim(): AsyncIterable<Slot> {
    await makeFolder(this.path);
    for (const path of await slotsOf(this.path)) {
      const slot = await this.lock(path);
      if (slot) yield slot;
    }
    for (let number = 0; !this.first; number++) {
      if (number === MAX_FOLDERS)
        throw new Error(`${this.path} has no free slot: at most ${MAX_FOLDERS} processes can share it`);
      const slot = await this.lock(join(this.path, `slot-${number}`));
      if (slot) yield slot;
    }
  }

  async release(): Promise<void> {
    for (const lock of this.claimed.values()) await lock.close();
    this.claimed.clear();
  }

  /** Locks a folder. @returns undefined if another process or storage owns it, or if it is ours already */
  private async lock(path: string): Promise<Slot | undefined> {
    // Checked before the lock, too: otherwise a service of the other storage could find its own slot locked.
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
      await this.logForeign(path, storage);
    } catch (error) {
      if (!(error instanceof DamagedRecord)) throw error;
      this.logDamaged(path, error);
    }
    return 'foreign';
  }

  private async logForeign(slot: string, storage: StorageIdentity): Promise<void> {
    const entries = await countEntries(slot);
    if (entries === 0 || !this.foreign.isFirst(slot)) return;
    this.logger.warn(
      { slot, entries, storage },
      'an outbox slot holds changes for another storage, and this service leaves them alone. If no service with that storage runs ' +
        `on this OUTBOX_PATH, start one. If it is the bucket of this service under a new address, correct ${RECORD} in the slot`,
    );
  }

  private logDamaged(slot: string, err: DamagedRecord): void {
    if (!this.damaged.isFirst(slot)) return;
    this.logger.error(
      { slot, err },
      `an outbox slot does not say which storage its changes are for, and this service leaves it alone. Write the storage into ${RECORD} ` +
        `in the slot. The storage of this service is ${JSON.stringify(this.storage)}`,
    );
  }
}

/** Never reached: nobody else writes to a folder that we hold. */
const LOCK_TIMEOUT_MS = 10_000;
