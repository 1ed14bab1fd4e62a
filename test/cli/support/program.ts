import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openFilesOf } from '../../support/open-files.js';
import { environmentOf } from '../../support/patience.js';
import type { Environment } from '../../support/service.js';

export interface Finding {
  code: string;
  where: string;
  message: string;
  repairable?: true;
  repaired?: true;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Started {
  process: ChildProcess;
  ended: Promise<Ended>;
}

/**
 * Starts the program (`npm test` builds it) in a process and an empty folder of its own, with the default settings but for `environment`
 * and long deadlines.
 */
export async function start(environment: Environment, ...parameters: string[]): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-cli-'));
  const child = spawn(process.execPath, [resolve('dist/test/cli.js'), ...parameters], {
    cwd: folder,
    env: environmentOf(environment),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, 'close').then(async ([code, signal]) => {
    await rm(folder, { recursive: true, force: true });
    return { code: code as number | null, signal: signal as NodeJS.Signals | null, stdout, stderr };
  });
  return { process: child, ended };
}

/**
 * Runs a command the same way to its end, but in a host: a process that has run others before.
 * @throws Error if it leaves files open
 */
export async function visage(environment: Environment, ...parameters: string[]): Promise<Ended> {
  if (environment['NODE_OPTIONS'] !== undefined) return (await start(environment, ...parameters)).ended;
  const folder = await mkdtemp(join(tmpdir(), 'visage-cli-'));
  const host = hosts.take();
  host.begin({ request: 'run', folder, environment: environmentOf(environment), parameters });
  const code = await host.done();
  const { output: stdout, errors: stderr } = host;
  const open = await openFilesOf(host.process);
  if (open.length > 0) throw new Error(`${parameters.join(' ')} left open: ${open.join(', ')}`);
  hosts.give(host);
  await rm(folder, { recursive: true, force: true });
  return { code, signal: host.process.signalCode, stdout, stderr };
}

/** Runs a command with `--json`. @returns its exit code and its report. @throws Error with its log if there is no report */
export async function reportOf<Facts>(
  environment: Environment,
  ...parameters: string[]
): Promise<{ code: number | null; findings: Finding[] } & Facts> {
  const { code, stdout, stderr } = await visage(environment, ...parameters, '--json');
  try {
    return { code, ...(JSON.parse(stdout) as { findings: Finding[] } & Facts) };
  } catch (error) {
    throw new Error(`no report, but exit code ${String(code)}:\n${stderr}`, { cause: error });
  }
}
