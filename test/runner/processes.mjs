import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Groups of processes that run now, by the id of their leader. */
const groups = new Set();

/** Why the run ends before its time, if it does. */
let interrupted;

export class Interrupted extends Error {}

/** How soon it is seen that whoever started the run is gone, in ms. */
const ORPHANED_MS = 500;

/**
 * From now on SIGINT, SIGTERM and SIGHUP end what runs and whatever it has started, and then the run, in good order. So does the
 * end of the shell that npm starts it by: that one gets npm's SIGTERM and keeps it to itself.
 * @param {(cause: string) => void} say is told why the run ends
 */
export function endOnSignals(say) {
  const end = (cause) => {
    if (interrupted !== undefined) return;
    interrupted = cause;
    say(cause);
    for (const group of groups) kill(group);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(signal));
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) end('npm is gone');
  }, ORPHANED_MS).unref();
}

/**
 * Runs a command in a group of processes of its own, and ends what it leaves running.
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, toTheEnd?: boolean }} [options] toTheEnd: it starts and
 *   ends whatever signal there was: a package manager or a removal that is cut leaves more behind than it takes
 * @returns {Promise<{ code: number | null, output: string }>} with `quiet` its standard output
 * @throws {Interrupted} if a signal has ended the run
 */
export async function run(command, parameters, { cwd, env, quiet = false, toTheEnd = false } = {}) {
  if (interrupted !== undefined && !toTheEnd) throw new Interrupted(interrupted);
  const stdio = ['ignore', quiet ? 'pipe' : 'inherit', 'inherit'];
  const child = spawn(command, parameters, { stdio, detached: true, cwd, ...(env && { env }) });
  const output = [];
  child.stdout?.on('data', (chunk) => output.push(chunk));
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const exited = once(child, 'exit');
  failed.catch(() => undefined);
  if (child.pid !== undefined && !toTheEnd) groups.add(child.pid);
  try {
    const [code] = await Promise.race([exited, failed]);
    if (interrupted !== undefined && !toTheEnd) throw new Interrupted(interrupted);
    return { code, output: Buffer.concat(output).toString() };
  } finally {
    if (child.pid !== undefined) {
      kill(child.pid);
      groups.delete(child.pid);
    }
  }
}

/** @throws {Error} if the command fails */
export async function succeed(command, parameters, options) {
  const { code, output } = await run(command, parameters, options);
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}`);
  return output;
}

/** Ends all processes of a group; those that are gone already need no ending. */
function kill(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
