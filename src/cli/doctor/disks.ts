import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rmdir, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Settings } from '../../config/settings.js';
import { removeFile } from '../../files.js';
import { medianAndP99 } from './latencies.js';
import { mountOf } from './mounts.js';
import { type Subject, type Verdict, failure, ok, warning } from './verdict.js';

interface Folder {
  /** Where the setting says it is. */
  setting: 'STORAGE_LOCAL_PATH' | 'OUTBOX_PATH' | 'UPLOAD_SPOOL_PATH';
  path: string;
  /** What is in it has to survive a restart of the machine. */
  durable: boolean;
  /** Bytes that the settings let it hold. */
  maxBytes?: number;
}

/** The folders that the service writes to with these settings. */
function foldersOf(settings: Settings): Folder[] {
  const { storageBackend, storageFallback, storageLocalPath, outboxPath, outboxMaxBytes } = settings;
  const { uploadSpoolPath, uploadConcurrency, avatarMaxSizeBytes } = settings;
  const folders: Folder[] = [];
  if (storageBackend === 'local')
    folders.push({ setting: 'STORAGE_LOCAL_PATH', path: storageLocalPath, durable: true });
  else if (storageFallback === 'local')
    folders.push({ setting: 'OUTBOX_PATH', path: outboxPath, durable: true, maxBytes: outboxMaxBytes });
  const maxBytes = uploadConcurrency * avatarMaxSizeBytes;
  folders.push({ setting: 'UPLOAD_SPOOL_PATH', path: uploadSpoolPath, durable: false, maxBytes });
  return folders.map((folder) => ({ ...folder, path: resolve(folder.path) }));
}

export async function checkDisks({ settings }: Subject): Promise<Verdict[]> {
  const verdicts = await Promise.all(foldersOf(settings).map(checkFolder));
  return verdicts.flat();
}

async function checkFolder({ setting, path, durable, maxBytes }: Folder): Promise<Verdict[]> {
  const name = `${setting} ${path}`;
  try {
    const present = nearestFolder(path);
    const mount = await mountOf(present);
    const { bavail, blocks, bsize } = await statfs(present);
    const [free, size] = [bavail * bsize, blocks * bsize];
    const where = mount ? ` on ${mount.source} (${mount.type} at ${mount.at})` : '';
    const room = `${gib(free)} GiB free of ${gib(size)}`;
    const verdicts: Verdict[] = [];
    if (present !== path) {
      await rmdir(await mkdtemp(join(present, '.visage-doctor-')));
      verdicts.push(ok(`${name} is not there yet, and can be made${where}; ${room}`, { free, size }));
    } else {
      const fsync = await timeFsync(path);
      const times = `fsync takes ${fsync.medianMs} ms (p99 ${fsync.p99Ms} ms)`;
      verdicts.push(
        ok(`${name}${where}: can be written to, ${times}, ${room}`, { free, size, fsync, mount }),
      );
    }
    if (durable && mount && FLEETING.has(mount.type)) {
      const advice =
        'Mount a disk or volume there: otherwise accepted pictures are gone with the machine or container';
      verdicts.push(warning(`${name} is on ${mount.type}, which does not outlive a restart`, advice));
    }
    if (size > 0 && free / size < LOW) {
      verdicts.push(
        warning(
          `${name} has only ${Math.floor((100 * free) / size)}% of its disk free`,
          'Make room, or enlarge the disk',
        ),
      );
    } else if (maxBytes !== undefined && free < maxBytes) {
      const limits =
        setting === 'OUTBOX_PATH' ? 'OUTBOX_MAX_BYTES' : 'UPLOAD_CONCURRENCY or AVATAR_MAX_SIZE_BYTES';
      verdicts.push(
        warning(
          `${name} may have to hold ${gib(maxBytes)} GiB, and ${gib(free)} GiB are free`,
          `Make room, or lower ${limits}`,
        ),
      );
    }
    return verdicts;
  } catch (error) {
    const advice = `Let the user of the service write to it, or set ${setting} to another folder`;
    return [failure(`${name} cannot be used: ${(error as Error).message}`, advice)];
  }
}

/** File systems that are gone with the machine, or with the container. */
const FLEETING = new Set(['tmpfs', 'ramfs', 'overlay']);

/** The share of a disk below which VisageDiskNearlyFull fires. */
const LOW = 0.1;

const FSYNCS = 20;

/** A folder itself if it is there, or the nearest one above it. */
export function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}

/** Writes a file and fsyncs it several times, as every upload does. Removes the file. */
async function timeFsync(folder: string): Promise<{ medianMs: number; p99Ms: number }> {
  // The temporary files of a store go where the service tidies up.
  const temporaries = join(folder, '.tmp');
  const path = join(existsSync(temporaries) ? temporaries : folder, `.visage-doctor-${randomUUID()}`);
  const file = await open(path, 'wx', 0o600);
  try {
    const times: number[] = [];
    for (let i = 0; i < FSYNCS; i++) {
      await file.write(Buffer.alloc(4096, i), 0, 4096, i * 4096);
      const started = performance.now();
      await file.sync();
      times.push(performance.now() - started);
    }
    return medianAndP99(times);
  } finally {
    await file.close();
    await removeFile(path);
  }
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
