import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A system call of one thread. */
export interface Call {
  thread: number;
  name: string;
  /** As strace writes them: descriptors with their paths, `3</tmp/a>`. */
  arguments: string;
  /** `?` where the process was killed in it. */
  result: string;
  /** The lines of the trace in which it began and ended: what ended before another began came first. */
  began: number;
  ended: number;
}

const CALLS =
  'openat,write,writev,pwrite64,pwritev,ftruncate,fsync,fdatasync,link,linkat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,close';

const BEGINNING = /^(\d+) +(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (.+))$/;
const END = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.+)$/;

/** What a process does, seen by strace(1). */
export class Tracing {
  private constructor(
    private readonly folder: string,
    /** What goes before a command to have it traced from its first moment on; it keeps its process id. */
    readonly prefix: string[],
    private readonly tracer?: ChildProcess,
  ) {}

  /** @param options what strace is to do besides, as `-e inject=...` */
  static async ofCommand(options: string[] = []): Promise<Tracing> {
    const folder = await mkdtemp(join(tmpdir(), 'visage-strace-'));
    return new Tracing(folder, ['strace', '-D', ...commandLine(folder, options)]);
  }

  /** Begins to trace a process that runs, all of its threads. */
  static async ofProcess(pid: number, options: string[] = []): Promise<Tracing> {
    const folder = await mkdtemp(join(tmpdir(), 'visage-strace-'));
    const tracer = spawn('strace', [...commandLine(folder, options), '-p', String(pid)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    await new Promise<void>((resolve, reject) => {
      tracer.once('error', reject);
      tracer.once('exit', () => {
        reject(new Error(`strace ended: ${said}`));
      });
      tracer.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('attached')) resolve();
      });
    });
    return new Tracing(folder, [], tracer);
  }

  /** What was done so far, or all of it where the process has ended. */
  async calls(): Promise<Call[]> {
    return parseTrace(await readFile(join(this.folder, 'trace'), 'utf8'));
  }

  /** To be called when the process has ended: waits for strace to have written all down, and cleans up. */
  async finish(pid: number): Promise<Call[]> {
    if (this.tracer?.exitCode === null && this.tracer.signalCode === null) await once(this.tracer, 'exit');
    const last = new RegExp(`^${pid} +\\+\\+\\+ (exited|killed)`, 'm');
    while (!last.test(await readFile(join(this.folder, 'trace'), 'utf8'))) await sleep(20);
    const calls = await this.calls();
    await rm(this.folder, { recursive: true });
    return calls;
  }
}

/** Reads what `strace -f -y` wrote. */
export function parseTrace(text: string): Call[] {
  const calls: Call[] = [];
  const unfinished = new Map<string, Call>();
  for (const [line, written] of text.split('\n').entries()) {
    const [, thread = '', name = '', first = '', result] = BEGINNING.exec(written) ?? [];
    if (name !== '') {
      const call = {
        thread: Number(thread),
        name,
        arguments: first,
        result: result ?? '?',
        began: line,
        ended: Infinity,
      };
      if (result === undefined) unfinished.set(thread, call);
      else call.ended = line;
      calls.push(call);
      continue;
    }
    const [, owner = '', resumed, rest = '', value = '?'] = END.exec(written) ?? [];
    const call = unfinished.get(owner);
    if (resumed === undefined || call?.name !== resumed) continue;
    unfinished.delete(owner);
    call.arguments += rest;
    call.result = value;
    if (value !== '?') call.ended = line;
  }
  return calls;
}

function commandLine(folder: string, options: string[]): string[] {
  return ['-f', '-y', '-e', `trace=${CALLS}`, ...options, '-o', join(folder, 'trace')];
}
