import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryLock } from 'fs-native-extensions';
import { sha256Hex } from '../../model/sha256.js';
import { KeyedMutex } from '../../tools/keyed-mutex.js';

const STRIPES = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/**
 * Locks between the writers of one machine: the kernel's locks on open file descriptions, see fcntl(2). They
 * hold between processes and containers, and a process that is killed releases them.
 */
export class FileLocks {
  private readonly writers = new KeyedMutex();

  /**
   * @param folder of the lock files; has to be there
   * @param timeoutMs how long to wait for other writers, of this process and of others together
   */
  constructor(
    readonly folder: string,
    private readonly timeoutMs: number,
  ) {}

  /** Makes the lock files of all keys beforehand, because a disk may run out of inodes. */
  async make(): Promise<void> {
    const present = new Set(await readdir(this.folder));
    for (const stripe of STRIPES) {
      if (!present.has(stripe)) await (await open(join(this.folder, stripe), 'a')).close();
    }
  }

  /**
   * Runs the task under the key's lock, one of 256, which no other writer in any process can hold meanwhile.
   */
  async ofKey<T>(key: string, task: () => Promise<T>): Promise<T> {
    return this.named(sha256Hex(key).slice(0, 2), task);
  }

  /** @throws Error if other writers hold the lock for too long: the task did not begin */
  async named<T>(name: string, task: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.timeoutMs;
    const locked = async () => {
      const lock = await open(join(this.folder, name), 'a');
      try {
        // Polled, because the library's blocking wait would hold a thread that the lock's owner may need to
        // finish.
        while (!tryLock(lock.fd)) {
          if (performance.now() > deadline) throw new Error(`lock ${name} is held by another process`);
          await sleep(1 + Math.random() * 9);
        }
        return await task();
      } finally {
        await lock.close();
      }
    };
    const tooLate = () => new Error(`lock ${name} is held by another writer of this process`);
    return this.writers.run(name, locked, { deadline, tooLate });
  }
}
