import { link } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import pLimit from 'p-limit';
import { removeFile } from '../../files.js';
import {
  type DriverOptions,
  type GetOptions,
  type ListedObject,
  ObjectDamaged,
  ObjectStore,
  PreconditionFailed,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
  assertKey,
} from '../object-store.js';
import { DiskReserve } from './disk-reserve.js';
import { DurableFiles } from './durable-files.js';
import { codeOf, isFull, translated } from './file-errors.js';
import { FileLocks } from './file-locks.js';
import { LocalRoot } from './local-root.js';
import { etagOfBytes, isBelowRoot, listObjectFiles, readObjectFile, statIfThere } from './object-files.js';
import { Temporaries } from './temporaries.js';

export interface LocalStoreOptions extends DriverOptions {
  /** The folder that holds the objects. Made if it is absent. */
  path: string;
  /** How long a write may wait for other writers of the same object, in ms. */
  lockTimeoutMs: number;
}

/** Objects that `deleteMany` deletes at the same time. */
const DELETES = 8;

/** The lock of the reserve. Its holder may take another lock, never the other way round. */
const RESERVE = 'reserve';

/**
 * Objects as files: a key is the path below the root.
 *
 * Writes are durable ({@link DurableFiles}) and exclude one another between the processes of one machine
 * ({@link FileLocks}). A full disk takes no new objects, and still replaces those it has
 * ({@link DiskReserve}). A root that went away is an outage ({@link LocalRoot}).
 */
export class LocalStore extends ObjectStore {
  readonly backend = 'local';
  readonly location: string;
  private readonly root: LocalRoot;
  private readonly files: DurableFiles;
  private readonly temporaries: Temporaries;
  private readonly locks: FileLocks;
  private readonly reserve: DiskReserve;

  constructor(private readonly options: LocalStoreOptions) {
    super();
    this.location = resolve(options.path);
    this.root = new LocalRoot(this.location);
    this.files = new DurableFiles(this.root);
    this.temporaries = new Temporaries(this.root.temporaries);
    this.locks = new FileLocks(this.root.locks, options.lockTimeoutMs);
    this.reserve = new DiskReserve(this.root.reserve);
  }

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    const path = this.pathOf(key);
    const etag = etagOfBytes(bytes);
    return translated(async () => {
      await this.root.makeOrAssertSame();
      try {
        await this.put(key, path, options, (temporary) => this.files.write(temporary, bytes, etag));
      } catch (error) {
        if (options.ifMatch === undefined || !isFull(error)) throw error;
        // The object that is replaced gives its room back: both are there for a moment only.
        await this.withReserve(() =>
          this.put(key, path, options, (temporary) => this.reserve.write(temporary, bytes, etag)),
        );
      }
      return { etag };
    });
  }

  override async get(
    key: string,
    { ifNoneMatch }: GetOptions = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    const path = this.pathOf(key);
    return translated(async () => {
      const object = await this.read(key, path);
      if (!object) await this.root.assertThere();
      return object && object.etag === ifNoneMatch ? 'unchanged' : object;
    });
  }

  override async exists(key: string): Promise<boolean> {
    const path = this.pathOf(key);
    return translated(async () => {
      const found = await statIfThere(path);
      if (!found) await this.root.assertThere();
      return found?.isFile() ?? false;
    });
  }

  override async delete(key: string): Promise<void> {
    if (!isBelowRoot(key)) throw new TypeError(`not an object key: ${JSON.stringify(key.slice(0, 200))}`);
    const path = join(this.location, key);
    await translated(async () => {
      await this.root.makeOrAssertSame();
      await this.locks.ofKey(key, () => removeFile(path));
      await this.files.removeEmptyFolders(path);
      await this.files.sync(path);
    });
  }

  override async deleteMany(keys: readonly string[]): Promise<void> {
    await pLimit(DELETES).map(keys, (key) => this.delete(key));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a bad key has to become a rejection
  override async getUrl(key: string): Promise<undefined> {
    assertKey(key);
  }

  override async *list(prefix: string): AsyncIterable<ListedObject> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder !== '') assertKey(folder.slice(0, -1));
    yield* listObjectFiles(this.location, join(this.location, folder), prefix);
    // An absent folder holds nothing. An absent root may have held everything.
    await translated(() => this.root.assertThere());
  }

  override async check(): Promise<StoreHealth> {
    const probe = this.temporaries.newPath();
    const linked = `${probe}.link`;
    return translated(async () => {
      try {
        await this.root.makeOrAssertSame();
        await this.temporaries.removeStuck();
        await this.withReserve(() => this.locks.make());
        await this.locks.ofKey(probe, () => Promise.resolve());
        const bytes = Buffer.from('probe');
        await this.files.write(probe, bytes, etagOfBytes(bytes));
        await link(probe, linked);
      } catch (error) {
        if (!isFull(error)) throw error;
        return { conditionalWrites: 'honoured', full: true };
      } finally {
        await removeFile(linked);
        await removeFile(probe);
      }
      return { conditionalWrites: 'honoured' };
    });
  }

  /**
   * Gives an object another key, without reading it. An object that has that key is replaced.
   * @returns its size in bytes; undefined if there is none
   */
  async move(from: string, to: string): Promise<number | undefined> {
    const [before, after] = [this.pathOf(from), this.pathOf(to)];
    return translated(async () => {
      await this.root.makeOrAssertSame();
      const found = await statIfThere(before);
      if (!found) return undefined;
      await this.files.replace(before, after);
      await this.files.sync(after);
      await this.files.sync(before);
      return found.size;
    });
  }

  /** Files of writes that began an hour ago and never ended. */
  stuckTemporaries(): AsyncIterable<{ path: string; modifiedAt: Date }> {
    return this.temporaries.stuck();
  }

  /** Not repeated, unlike a read of a bucket: nobody replaces the bytes of a file that is open. */
  private async read(key: string, path: string): Promise<StoredObject | undefined> {
    try {
      return await readObjectFile(key, path);
    } catch (error) {
      if (error instanceof ObjectDamaged) this.options.onDiscardedRead?.(key);
      throw error;
    }
  }

  private async put(
    key: string,
    path: string,
    { ifAbsent, ifMatch }: StoreOptions,
    write: (temporary: string) => Promise<void>,
  ): Promise<void> {
    const temporary = this.temporaries.newPath();
    try {
      await write(temporary);
      if (ifAbsent) await this.files.link(temporary, path);
      else await this.locks.ofKey(key, () => this.replace(key, path, temporary, ifMatch));
      await this.files.sync(path);
    } catch (error) {
      throw codeOf(error) === 'EEXIST' ? new PreconditionFailed(key, error) : error;
    } finally {
      await removeFile(temporary);
    }
  }

  private async replace(key: string, path: string, temporary: string, ifMatch?: string): Promise<void> {
    if (ifMatch !== undefined && (await this.read(key, path))?.etag !== ifMatch)
      throw new PreconditionFailed(key);
    await this.files.replace(temporary, path);
  }

  /** Runs a task that may use the reserve up, and fills it again. */
  private async withReserve(task: () => Promise<void>): Promise<void> {
    await this.locks.named(RESERVE, async () => {
      try {
        await task();
      } finally {
        await this.reserve.fill();
      }
    });
  }

  private pathOf(key: string): string {
    assertKey(key);
    return join(this.location, key);
  }
}
