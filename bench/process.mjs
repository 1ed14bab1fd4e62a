import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** A server as a process of its own, and what the kernel says of it. */
export class ServerProcess {
  /**
   * @param {string} program a path
   * @param {Record<string, string | undefined>} environment
   * @param {{ core?: number, folder?: string }} [options] the only core that it may use, and the folder that it starts in
   */
  static async start(program, environment, { core, folder } = {}) {
    const [command, ...line] = pinned(core, [process.execPath, resolve(program)]);
    const child = spawn(command, line, {
      cwd: folder,
      env: { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const url = await new Promise((found, reject) => {
      let output = '';
      const read = (chunk) => {
        output += chunk;
        const address = /listening at (http:\/\/[^"\s]+)/.exec(output)?.[1];
        if (address === undefined) return;
        child.stdout.off('data', read).resume();
        found(address);
      };
      child.stdout.on('data', read);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${program} ended with ${code}:\n${output}`)));
    });
    return new ServerProcess(child, url);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
    child.once('exit', (code, signal) => {
      if (!this.stopping) console.error(`${child.spawnargs.at(-1)} ended by itself: ${signal ?? code}`);
    });
  }

  /** User and system time so far, in ms, to 10 ms. */
  cpuMs() {
    const fields = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Resident memory in MiB. */
  residentMiB() {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.child.pid}/status`, 'utf8'))[1]) / 1024;
  }

  /** Whether the process has mapped a library whose path has this in it. */
  hasMapped(library) {
    return readFileSync(`/proc/${this.child.pid}/maps`, 'utf8').includes(library);
  }

  /** @param {NodeJS.Signals} [signal] SIGTERM: as an orchestrator does */
  async stop(signal = 'SIGKILL') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.stopping = true;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
  }
}

// As in the image, see the Dockerfile; what runs in this process gets the same from `npm run bench`.
const { LD_PRELOAD, MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_, UV_THREADPOOL_SIZE } = process.env;

/** What every program that makes pictures gets, so that none has an advantage. */
export const ALIKE = { LD_PRELOAD, MALLOC_ARENA_MAX, MALLOC_MMAP_THRESHOLD_, UV_THREADPOOL_SIZE };

/**
 * The built service, as by default but for what `settings` says, with its storage in the folder.
 * @param {string} folder made where it is absent
 */
export function startService(folder, settings = {}, { core } = {}) {
  mkdirSync(folder, { recursive: true });
  const own = {
    STORAGE_LOCAL_PATH: join(folder, 'objects'),
    UPLOAD_SPOOL_PATH: join(folder, 'spool'),
    OUTBOX_PATH: join(folder, 'outbox'),
    SHUTDOWN_DRAIN_MS: '0',
  };
  return ServerProcess.start('dist/main.js', { ...own, ...ALIKE, ...settings }, { core, folder });
}

/**
 * Runs a client as a process of its own, on a core of its own where one is named.
 * @returns what it printed, as JSON
 */
export async function runClient(program, options, { core } = {}) {
  const [command, ...line] = pinned(core, [process.execPath, resolve(program), JSON.stringify(options)]);
  const child = spawn(command, line, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return JSON.parse(output);
}

/** @returns the command line that runs a command on one core only, if one is named */
export function pinned(core, command) {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command];
}
