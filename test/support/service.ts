import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import type { Host, Hosts } from '../host/hosts.mjs';
import { openFilesOf } from './open-files.js';
import { HANG_MS, environmentOf } from './patience.js';

const STARTS_AT_ONCE = 4;

declare global {
  /** Given by the environment of Jest. */
  var hosts: Hosts;
}

/** The built service. */
export interface RunningService {
  url: string;
  process: ChildProcess;
  /** Everything that it has logged so far. */
  log(): string;
  /** Resolves when it has logged this line, which may arrive later than its answer. */
  logged(line: RegExp): Promise<void>;
  /** The files that are in its spool now. */
  spooled(): Promise<string[]>;
  /** The regular files that it has open now, without its own program. */
  openFiles(): Promise<string[]>;
  /** Stops it the way an orchestrator does. @returns its exit code; 0 in a host, which goes on */
  stop(): Promise<number | null>;
  /** Kills it with SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
}

export type Environment = Record<string, string>;

/**
 * Starts the service (`npm test` builds it) in an empty folder of its own. Settings that are not in `environment` have their defaults,
 * except for deadlines, which are long.
 *
 * It runs in a host, a process that other services had before it and will have after it, but none meanwhile. What a test sends to
 * `process` goes to the host; a test about the process itself starts its own, see `startProcess`. So does one that gives Node options.
 */
export async function startService(environment: Environment): Promise<RunningService> {
  if (environment['NODE_OPTIONS'] !== undefined) return startProcess(environment);
  const folder = await mkdtemp(join(tmpdir(), 'visage-service-'));
  const host = hosts.take();
  /** Once it has ended: the host goes on with other services. */
  let whole: string | undefined;
  const log = () => whole ?? host.output + host.errors;
  const end = async <T>(ended: Promise<T>): Promise<T> => {
    const result = await ended;
    whole = log();
    hosts.give(host);
    await rm(folder, { recursive: true, force: true });
    return result;
  };
  const url = await listening(host.process, log, () => {
    host.begin({ request: 'serve', folder, environment: serviceEnvironment(environment, folder) });
  }).catch(async (error: unknown) => {
    await end(host.closed);
    throw error;
  });
  let stopped: Promise<number | null> | undefined;
  return {
    ...watch({ process: host.process, url, folder, log }),
    stop: () =>
      (stopped ??= end(host.hasEnded ? host.closed.then(() => host.process.exitCode) : stopIn(host))),
    kill: async () => {
      if (stopped) return;
      host.process.kill('SIGKILL');
      stopped = end(host.closed.then(() => null));
      await stopped;
    },
  };
}

/** Where OPS_PORT is, as the log of a service says. */
export function opsUrlOf(service: RunningService): string {
  const url = /"health, metrics and docs at (http:[^"]+)"/.exec(service.log())?.[1];
  if (url === undefined) throw new Error(`the service has no OPS_PORT:\n${service.log()}`);
  return url;
}

function stopIn(host: Host): Promise<number | null> {
  const done = host.done();
  host.ask({ request: 'stop' });
  return done;
}

/**
 * Starts the service in a process of its own, the way users run it.
 * @param prefix a command that becomes the service, as `strace -D` does
 */
export async function startProcess(environment: Environment, prefix: string[] = []): Promise<RunningService> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-service-'));
  const line = [...prefix, process.execPath, resolve('dist/test/main.js')];
  const child = spawn(line[0] ?? '', line.slice(1), {
    cwd: folder,
    env: serviceEnvironment(environment, folder),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const closed = new Promise((done) => child.once('close', done));
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  const log = () => output;
  const url = await listening(child, log);
  return {
    ...watch({ process: child, url, folder, log }),
    stop: async () => {
      await end('SIGTERM');
      return child.exitCode;
    },
    kill: () => end('SIGKILL'),
  };
}

function serviceEnvironment(environment: Environment, folder: string): NodeJS.ProcessEnv {
  const own = { PORT: '0', UPLOAD_SPOOL_PATH: join(folder, 'spool'), SHUTDOWN_DRAIN_MS: '0' };
  return environmentOf({ ...own, ...environment });
}

/** Resolves with the URL of a service that starts in a process. @throws Error with its log if the process ends instead */
async function listening(child: ChildProcess, log: () => string, begin?: () => void): Promise<string> {
  const found = new AbortController();
  const ended = once(child, 'exit', found).then(([code]) => {
    throw new Error(`the service ended with ${String(code)}:\n${log()}`);
  });
  ended.catch(() => undefined);
  begin?.();
  try {
    for (;;) {
      const [, url] = /Server listening at (http:\/\/[^"]+)/.exec(log()) ?? [];
      if (url !== undefined) return url;
      await Promise.race([once(child.stdout ?? child, 'data', found), ended]);
    }
  } finally {
    found.abort();
  }
}

/** Ways to look at a service and its process. */
function watch({
  process: child,
  url,
  folder,
  log,
}: {
  process: ChildProcess;
  url: string;
  folder: string;
  log: () => string;
}): Omit<RunningService, 'stop' | 'kill'> {
  return {
    url,
    process: child,
    log,
    logged: async (line) => {
      const giveUp = performance.now() + HANG_MS;
      while (!line.test(log())) {
        if (performance.now() > giveUp) throw new Error(`the service did not log ${line.source}:\n${log()}`);
        await sleep(10);
      }
    },
    spooled: () => readdir(join(folder, 'spool')),
    openFiles: () => openFilesOf(child),
  };
}

/** Starts several services, a few at a time. If one fails, it stops the others. */
export function startServices(environments: readonly Environment[]): Promise<RunningService[]> {
  return startAll(environments, startService);
}

/** The same with processes of their own. */
export function startProcesses(environments: readonly Environment[]): Promise<RunningService[]> {
  return startAll(environments, startProcess);
}

async function startAll(
  environments: readonly Environment[],
  start: (environment: Environment) => Promise<RunningService>,
): Promise<RunningService[]> {
  const limit = pLimit(STARTS_AT_ONCE);
  const starts = await Promise.allSettled(environments.map((environment) => limit(() => start(environment))));
  const services = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return services;
  await Promise.all(services.map((service) => service.stop()));
  throw failed.reason;
}
