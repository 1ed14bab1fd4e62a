import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The process groups that run now, by the id of their leader. */
const groups = new Set();

/** Why the run was interrupted, if it was. */
let interrupted;

export class Interrupted extends Error {}

/** How often the run checks that its parent is still there, in ms. */
const ORPHANED_MS = 500;

/**
 * From now on SIGINT, SIGTERM and SIGHUP end all child processes with their children, and then the run in an orderly way. So does the
 * end of the shell in which npm starts it, because that shell does not pass npm's SIGTERM on.
 * @param {(cause: string) => void} say called with the reason why the run ends
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
 * Runs a command in a process group of its own, and kills whatever it leaves running.
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean, toTheEnd?: boolean }} [options] toTheEnd: it runs
 *   to its end despite any signal, because a package manager or a clean-up that is cut leaves more behind than it saves
 * @returns {Promise<{ code: number | null, output: string }>} with `quiet`, its standard output
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

/**
 * Starts a program that runs until it is stopped, or the run ends.
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string }} [options]
 * @returns {{ output: () => string, hasEnded: () => boolean, stop: () => Promise<void> }} output: everything that it wrote
 */
export function start(command, parameters, { env, cwd } = {}) {
  if (interrupted !== undefined) throw new Interrupted(interrupted);
  const stdio = ['ignore', 'pipe', 'pipe'];
  const child = spawn(command, parameters, { stdio, detached: true, cwd, ...(env && { env }) });
  let output = '';
  const ended = new Promise((done) => {
    child.once('close', done);
    child.once('error', (error) => {
      output += error.message;
      done();
    });
  });
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  if (child.pid !== undefined) groups.add(child.pid);
  return {
    output: () => output,
    hasEnded: () => hasEnded,
    stop: async () => {
      if (child.pid !== undefined) kill(child.pid);
      await ended;
      groups.delete(child.pid);
    },
  };
}

/** @throws {Error} if the command fails */
export async function succeed(command, parameters, options) {
  const { code, output } = await run(command, parameters, options);
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}`);
  return output;
}

/** Kills all processes of a group, if there are any left. */
function kill(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
