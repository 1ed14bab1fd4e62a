import type { ChildProcess } from 'node:child_process';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** The files that a process has open, except for devices. */
export async function openFilesOf({ pid }: ChildProcess): Promise<string[]> {
  const descriptors = `/proc/${String(pid)}/fd`;
  const names = await readdir(descriptors);
  const targets = await Promise.all(names.map((name) => readlink(join(descriptors, name)).catch(() => '')));
  return targets.filter((target) => target.startsWith('/') && !target.startsWith('/dev/'));
}
