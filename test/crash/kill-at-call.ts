import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunningService } from '../support/service.js';
import { Tracing } from '../support/strace.js';
import type { Shown } from './scene.js';

/** The name of a call, which one of that name, and its arguments. The process is killed when it enters the call. */
export type Call = readonly [name: string, nth: number, on: RegExp];

export interface Point {
  point: string;
  at: Call;
  /**
   * Files take so many bytes and not one more, setrlimit(2): a write that breaks off, by a process that is killed before it
   * can tidy up, leaves this much of its temporary file.
   */
  limit?: number;
  /** The picture that the avatar shows afterwards. */
  shown: Shown;
}

export const TEMPORARY = /\.tmp\/[0-9a-f-]+/;

/**
 * For a service whose calls are counted. strace counts those of each thread by itself, so there has to be one only that calls the
 * file system, and it may do nothing but what the request needs.
 */
export const COUNTED = { UV_THREADPOOL_SIZE: '1', AVATAR_WARM_SIZES: '0' };

/**
 * Has a service killed at a system call of what `act` makes it do.
 * @param temporary where it keeps unfinished files
 * @param act gets a function that puts the point's limit into force
 */
export async function killAtCall(
  service: RunningService,
  { at: [name, nth, on], limit }: Omit<Point, 'shown'>,
  temporary: string,
  act: (restrict: () => void) => Promise<unknown>,
): Promise<void> {
  const pid = Number(service.process.pid);
  const ended = once(service.process, 'exit');
  const tracing = await Tracing.ofProcess(pid, ['-e', `inject=${name}:signal=KILL:when=${nth}`]);
  await act(() => {
    if (limit !== undefined) execFileSync('prlimit', ['--pid', String(pid), `--fsize=${limit}`]);
  });
  expect(await ended).toEqual([null, 'SIGKILL']);
  const calls = await tracing.finish(pid);
  const last = calls.filter((call) => call.name === name && call.result === '?');
  expect(last.map((call) => call.arguments)).toEqual([expect.stringMatching(on)]);
  if (limit !== undefined) expect(await bytesIn(temporary)).toBe(limit);
}

/** The size of all files in a folder. */
export async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
