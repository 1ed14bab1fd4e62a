import { createHash, randomUUID } from 'node:crypto';
import { type Dirent, type Stats, constants } from 'node:fs';
import { access, link, lstat, open, readFile, readdir, rename, rmdir } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { CodedError } from '../../errors.js';
import { makeFolder, removeFile } from '../../files.js';
import {
  type ListedObject,
  ObjectStore,
  PreconditionFailed,
  StorageFull,
  StorageRefused,
  StorageUnavailable,
  type StoreHealth,
  type StoreOptions,
  type StoredObject,
  assertKey,
} from '../object-store.js';
import { DiskReserve, isFull } from './disk-reserve.js';
import { DurableFolders } from './durable-folders.js';
import { FileLocks } from './file-locks.js';

export interface LocalStoreOptions {
  /** The folder that holds the objects; made where it is absent. */
  path: string;
  /** How long a write may wait for other writers of the same object, in ms. */
  lockTimeoutMs: number;
}

/** A temporary file older than this, in ms, belongs to a process that died. */
const STALE_AFTER_MS = 3_600_000;

/** How the name of the file begins that tells one root from another. */
const MARKER = 'root-';

/** The lock of the reserve; who holds it may take another one, never the other way round. */
const RESERVE = 'reserve';

/**
 * Objects as files: a key is the path below the root.
 *
 * Durable: bytes go to a temporary file of the same file system, which is fsynced, then linked or renamed to its place, and
 * then every folder from there to the root is fsynced, and once those above it. A crash of process or machine leaves the
 * old object or the new one.
 *
 * A full disk takes nothing new, and still replaces what is there: see {@link DiskReserve}.
 *
 * Replacing and deleting hold between the processes of one machine: see {@link FileLocks}.
 *
 * The root is made at the first use, and never again: a disk that was unmounted, or a folder that was deleted, is an outage
 * and not an empty storage. A file of its own name in the root tells it from whatever may be in its place.
 */
export class LocalStore extends ObjectStore {
  readonly backend = 'local';
  readonly location: string;
  private readonly temporary: string;
  private readonly locks: FileLocks;
  private readonly folders: DurableFolders;
  private readonly reserve: DiskReserve;
  private opening: Promise<string> | undefined;

  constructor(options: LocalStoreOptions) {
    super();
    this.location = resolve(options.path);
    this.temporary = join(this.location, '.tmp');
    this.locks = new FileLocks(join(this.location, '.locks'), options.lockTimeoutMs);
    this.folders = new DurableFolders(this.location);
    this.reserve = new DiskReserve(join(this.location, '.reserve'));
  }

  override async store(key: string, bytes: Buffer, options: StoreOptions = {}): Promise<{ etag: string }> {
    const path = this.pathOf(key);
    try {
      await this.assertRoot();
      try {
        await this.put(key, path, options, (temporary) => this.writeDurably(temporary, bytes));
      } catch (error) {
        if (options.ifMatch === undefined || !isFull(error)) throw error;
        // What is replaced gives its room back: both are there for a moment only.
        await this.withReserve(() =>
          this.put(key, path, options, (temporary) => this.reserve.write(temporary, bytes)),
        );
      }
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw new PreconditionFailed(key, error);
      throw outcome(error);
    }
    return { etag: etagOf(bytes) };
  }

  override async get(key: string, options: { ifNoneMatch?: string; signal?: AbortSignal } = {}) {
    const path = this.pathOf(key);
    try {
      const object = await this.read(path, options.signal);
      if (!object) await this.assertRoot();
      return object && object.etag === options.ifNoneMatch ? 'unchanged' : object;
    } catch (error) {
      throw outcome(error);
    }
  }

  override async exists(key: string): Promise<boolean> {
    const path = this.pathOf(key);
    try {
      const found = await this.stat(path);
      if (!found) await this.assertRoot();
      return found?.isFile() ?? false;
    } catch (error) {
      throw outcome(error);
    }
  }

  override async delete(key: string): Promise<void> {
    if (!isBelow(key)) throw new TypeError(`not an object key: ${JSON.stringify(key.slice(0, 200))}`);
    const path = join(this.location, key);
    try {
      await this.assertRoot();
      await this.locks.ofKey(key, () => removeFile(path));
      await this.removeEmptyFolders(path);
      await this.folders.sync(dirname(path));
    } catch (error) {
      throw outcome(error);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a bad key has to become a rejection
  override async getUrl(key: string): Promise<undefined> {
    assertKey(key);
  }

  override async *list(prefix: string): AsyncIterable<ListedObject> {
    const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
    if (folder !== '') assertKey(folder.slice(0, -1));
    yield* this.walk(join(this.location, folder), prefix);
    // Folders that are absent have nothing in them; a root that is absent may have had everything.
    await this.assertRoot().catch((error: unknown) => {
      throw outcome(error);
    });
  }

  override async check(): Promise<StoreHealth> {
    const probe = join(this.temporary, randomUUID());
    const linked = `${probe}.link`;
    try {
      await this.assertRoot();
      await this.sweepTemporary();
      await this.withReserve(() => this.locks.make());
      await this.locks.ofKey(probe, () => Promise.resolve());
      await this.writeDurably(probe, Buffer.from('probe'));
      await link(probe, linked);
    } catch (error) {
      if (!isFull(error)) throw outcome(error);
      return { conditionalWrites: 'honoured', full: true };
    } finally {
      await removeFile(linked);
      await removeFile(probe);
    }
    return { conditionalWrites: 'honoured' };
  }

  /** Files of writes that began an hour ago and never ended. */
  async *stuckTemporaries(): AsyncIterable<{ path: string; modifiedAt: Date }> {
    for (const entry of await this.entries(this.temporary)) {
      const path = join(this.temporary, entry.name);
      const found = await this.stat(path);
      if (found && Date.now() - found.mtimeMs > STALE_AFTER_MS) yield { path, modifiedAt: found.mtime };
    }
  }

  /**
   * Makes the root at the first use; later it has to be there as it was then.
   * @throws what the file system throws where it is not
   */
  private async assertRoot(): Promise<void> {
    this.opening ??= this.open().catch((error: unknown) => {
      this.opening = undefined;
      throw error;
    });
    const marker = await this.opening;
    try {
      await access(marker);
    } catch (error) {
      const reason =
        `${this.location} is not the folder that it was when this process began to use it: mount or restore it. If the folder there now ` +
        'is the right one, restart the service: it uses what is there, and deletes nothing';
      throw Object.assign(new Error(reason, { cause: error }), { code: codeOf(error) });
    }
  }

  /** @returns a file whose name no other root has */
  private async open(): Promise<string> {
    for (const folder of [this.temporary, this.locks.folder]) await makeFolder(folder);
    const known = (await readdir(this.locks.folder)).find((name) => name.startsWith(MARKER));
    const marker = join(this.locks.folder, known ?? `${MARKER}${randomUUID()}`);
    if (known === undefined) await (await open(marker, 'a')).close();
    return marker;
  }

  private async writeDurably(path: string, bytes: Buffer): Promise<void> {
    const file = await this.inFolder(path, () => open(path, 'wx'));
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** Does what needs the file's folder, and makes the folder where it is absent or was removed under our feet. */
  private async inFolder<T>(path: string, task: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (attempt > 1) {
          await this.assertRoot();
          await makeFolder(dirname(path));
        }
        return await task();
      } catch (error) {
        if (codeOf(error) !== 'ENOENT' || attempt === 10) throw error;
      }
    }
  }

  private async put(
    key: string,
    path: string,
    options: StoreOptions,
    write: (temporary: string) => Promise<void>,
  ): Promise<void> {
    const temporary = join(this.temporary, randomUUID());
    try {
      await write(temporary);
      if (options.ifAbsent) {
        await this.inFolder(path, () => link(temporary, path));
      } else {
        await this.locks.ofKey(key, async () => {
          if (options.ifMatch !== undefined && (await this.read(path))?.etag !== options.ifMatch) {
            throw new PreconditionFailed(key);
          }
          await this.inFolder(path, () => rename(temporary, path));
        });
      }
      await this.folders.sync(dirname(path));
    } finally {
      await removeFile(temporary);
    }
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

  private async read(path: string, signal?: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
      try {
        const { mtime } = await file.stat();
        const bytes = await readFile(file, signal ? { signal } : {});
        return { bytes, etag: etagOf(bytes), modifiedAt: mtime };
      } finally {
        await file.close();
      }
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** A folder bears the id of a user: it goes with the last object in it. */
  private async removeEmptyFolders(path: string): Promise<void> {
    for (let folder = dirname(path); folder !== this.location; folder = dirname(folder)) {
      try {
        await rmdir(folder);
      } catch (error) {
        if (isAbsent(error)) continue;
        if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') break;
        throw error;
      }
    }
  }

  private async *walk(folder: string, prefix: string): AsyncIterable<ListedObject> {
    for (const entry of await this.entries(folder)) {
      const path = join(folder, entry.name);
      const key = relative(this.location, path).split(sep).join('/');
      if (entry.name.startsWith('.')) continue;
      if (entry.isDirectory()) {
        if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`)) yield* this.walk(path, prefix);
      } else if (key.startsWith(prefix)) {
        const found = await this.stat(path);
        if (found?.isFile()) yield { key, size: found.size, modifiedAt: found.mtime };
      }
    }
  }

  /** In the order of the keys: a folder sorts as its name and a slash. */
  private async entries(folder: string): Promise<Dirent[]> {
    try {
      const sortName = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name);
      const entries = await readdir(folder, { withFileTypes: true });
      return entries.sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1));
    } catch (error) {
      if (isAbsent(error)) return [];
      throw outcome(error);
    }
  }

  private async stat(path: string): Promise<Stats | undefined> {
    try {
      return await lstat(path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw outcome(error);
    }
  }

  private async sweepTemporary(): Promise<void> {
    for await (const { path } of this.stuckTemporaries()) await removeFile(path);
  }
}

/** Whether a path leads to something below the root; one that `list` gave does, whatever its names are. */
function isBelow(key: string): boolean {
  return !key.includes('\0') && key.split('/').every((segment) => !['', '.', '..'].includes(segment));
}

function etagOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** A symbolic link (ELOOP, open(2)) is no object: it could lead out of the root. */
function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP'].includes(codeOf(error) ?? '');
}

/** What an error of the file system means to a caller of the port. */
function outcome(error: unknown): unknown {
  if (error instanceof CodedError) return error;
  if (isFull(error)) return new StorageFull(error);
  switch (codeOf(error)) {
    case 'ABORT_ERR':
      return error;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOTSUP':
      return new StorageRefused(error);
    default:
      return new StorageUnavailable(error);
  }
}
