import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit from 'p-limit';
import { HANG_MS, environmentOf } from './patience.js';
import { createBucket, testS3 } from './s3.js';

const STARTS_AT_ONCE = 4;

/** The built service in a process of its own, the way users run it. */
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
  /** Stops it the way an orchestrator does. @returns its exit code */
  stop(): Promise<number | null>;
  /** Kills it with SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>;
}

export type Environment = Record<string, string>;

/**
 * Starts the service (`npm test` builds it) in an empty folder of its own. Settings that are not in `environment` have their
 * defaults, except for deadlines, which are long.
 * @param prefix a command that becomes the service, as `strace -D` does
 */
export async function startService(environment: Environment, prefix: string[] = []): Promise<RunningService> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-service-'));
  const spool = join(folder, 'spool');
  const line = [...prefix, process.execPath, resolve('dist/test/main.js')];
  const child = spawn(line[0] ?? '', line.slice(1), {
    cwd: folder,
    env: environmentOf({ PORT: '0', UPLOAD_SPOOL_PATH: spool, SHUTDOWN_DRAIN_MS: '0', ...environment }),
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
  const url = await new Promise<string>((resolveUrl, reject) => {
    child.stdout.on('data', () => {
      const found = /Server listening at (http:\/\/[^"]+)/.exec(output)?.[1];
      if (found !== undefined) resolveUrl(found);
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`the service ended with ${String(code)}:\n${output}`));
    });
  });
  return {
    url,
    process: child,
    log: () => output,
    logged: async (line) => {
      const giveUp = performance.now() + HANG_MS;
      while (!line.test(output)) {
        if (performance.now() > giveUp) throw new Error(`the service did not log ${line.source}:\n${output}`);
        await sleep(10);
      }
    },
    spooled: () => readdir(spool),
    openFiles: async () => {
      const descriptors = `/proc/${String(child.pid)}/fd`;
      const names = await readdir(descriptors);
      const targets = await Promise.all(
        names.map((name) => readlink(join(descriptors, name)).catch(() => '')),
      );
      return targets.filter((target) => target.startsWith('/') && !target.startsWith('/dev/'));
    },
    stop: async () => {
      await end('SIGTERM');
      return child.exitCode;
    },
    kill: () => end('SIGKILL'),
  };
}

/** Starts several services, a few at a time. If one fails, it stops the others. */
export async function startServices(environments: readonly Environment[]): Promise<RunningService[]> {
  const limit = pLimit(STARTS_AT_ONCE);
  const starts = await Promise.allSettled(
    environments.map((environment) => limit(() => startService(environment))),
  );
  const services = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed === undefined) return services;
  await Promise.all(services.map((service) => service.stop()));
  throw failed.reason;
}

/** A backend to run a suite on. Every call of `environment` gives a new, empty storage. */
export interface Backend {
  name: 'local' | 's3';
  environment(): Promise<Environment>;
}

export const backends: Backend[] = [
  {
    name: 'local',
    environment: async () => ({
      STORAGE_BACKEND: 'local',
      STORAGE_LOCAL_PATH: await mkdtemp(join(tmpdir(), 'visage-objects-')),
    }),
  },
];

if (testS3) backends.push({ name: 's3', environment: s3Environment });

/** A new bucket, for tests in a `describeS3`. @throws {Error} if the S3 suite is left out */
export async function s3Environment(): Promise<Environment> {
  if (!testS3) throw new Error('SKIP_S3=1 leaves the S3 suite out');
  return {
    STORAGE_BACKEND: 's3',
    STORAGE_S3_ENDPOINT: testS3.endpoint,
    STORAGE_S3_REGION: testS3.region,
    STORAGE_S3_BUCKET: await createBucket(testS3),
    STORAGE_S3_ACCESS_KEY_ID: testS3.accessKeyId,
    STORAGE_S3_SECRET_ACCESS_KEY: testS3.secretAccessKey,
    STORAGE_S3_USE_PATH_STYLE: 'true',
  };
}
