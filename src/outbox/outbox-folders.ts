import { type FileHandle, mkdir, open, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import { LocalStore } from '../storage/local.store.js';

export interface OutboxFolder {
  path: string;
  store: LocalStore;
}

/** More processes than this cannot share one path. */
const MAX_FOLDERS = 256;

/**
 * One folder for each process that shares the path of the outbox: `slot-0`, `slot-1`, ... A process holds a kernel's lock on
 * its own and on those that it took over; one that is killed lets go of them.
 */
export class OutboxFolders {
  private readonly claimed = new Map<string, FileHandle>();
  private readonly path: string;
  private first: OutboxFolder | undefined;

  /** @param path made where it is absent */
  constructor(path: string) {
    this.path = resolve(path);
  }

  /** The folder that new entries go to. */
  get own(): OutboxFolder {
    if (!this.first) throw new Error('no folder was claimed yet');
    return this.first;
  }

  /**
   * Locks every folder that nobody holds; the first call makes one where there is none.
   * @returns the folders that this call added
   */
  async claim(): Promise<OutboxFolder[]> {
    await mkdir(this.path, { recursive: true });
    const names = (await readdir(this.path)).filter((name) => /^slot-\d+$/.test(name)).sort();
    const added: OutboxFolder[] = [];
    for (const name of names) {
      if (await this.lock(name)) added.push(await this.open(name));
    }
    for (let slot = 0; !this.first && added.length === 0; slot++) {
      if (slot === MAX_FOLDERS) throw new Error(`${this.path} has no free slot`);
      const name = `slot-${slot}`;
      if (await this.lock(name)) added.push(await this.open(name));
    }
    this.first ??= added[0];
    return added;
  }

  async release(): Promise<void> {
    for (const lock of this.claimed.values()) await lock.close();
    this.claimed.clear();
  }

  private async lock(name: string): Promise<boolean> {
    if (this.claimed.has(name)) return false;
    await mkdir(join(this.path, name), { recursive: true });
    const lock = await open(join(this.path, name, '.owner'), 'a');
    if (!tryLock(lock.fd)) {
      await lock.close();
      return false;
    }
    this.claimed.set(name, lock);
    return true;
  }

  private async open(name: string): Promise<OutboxFolder> {
    const path = join(this.path, name);
    const store = new LocalStore({ path, lockTimeoutMs: LOCK_TIMEOUT_MS });
    await store.check();
    return { path, store };
  }
}

/** Nobody else writes to a folder that is locked. */
const LOCK_TIMEOUT_MS = 10_000;
