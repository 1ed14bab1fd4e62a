import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBackend } from '../../support/backends.js';
import { HANG_MS } from '../../support/patience.js';
import { type Environment, type RunningService, startService } from '../../support/service.js';
import { type Answer, type Outgoing, problemOf, send } from './client.js';
import { picture } from './pictures.js';
import { RawConnection } from './raw.js';

/** A failed test may not have stopped its service, which would keep Jest from ending. */
const running = new Set<RunningService>();
afterAll(() => Promise.all([...running].map((service) => service.stop())));

interface HarnessOptions {
  /** That writers have to send. */
  headers?: Record<string, string>;
  /** `startProcess` for a test about the process itself. */
  start?: (environment: Environment) => Promise<RunningService>;
}

/** A running service, and ways to see what a request left behind. */
export class Harness {
  private count = 0;

  private constructor(
    readonly service: RunningService,
    private readonly environment: Environment,
    private readonly headers: Record<string, string>,
  ) {}

  static async start(
    environment: Environment,
    { headers = {}, start = startService }: HarnessOptions = {},
  ): Promise<Harness> {
    const service = await start(environment);
    running.add(service);
    return new Harness(service, environment, headers);
  }

  send(outgoing: Outgoing): Promise<Answer> {
    return send(this.service.url, outgoing);
  }

  put(path: string, outgoing: Omit<Outgoing, 'path' | 'method'>): Promise<Answer> {
    const headers = { ...this.headers, ...outgoing.headers };
    return this.send({ method: 'PUT', path, ...outgoing, headers });
  }

  /**
   * Runs an attempt that fails, on an avatar of its own, and proves that it leaves nothing: no object, no temporary file, no open
   * file. The next upload has to work.
   */
  async leavesNothing<T>(attempt: (path: string) => Promise<T>): Promise<T> {
    const before = await this.traces();
    const result = await attempt(`/v1/avatars/bad-${++this.count}`);
    await this.cleanAs(before);
    await this.takesUploads();
    return result;
  }

  /** @returns the problem with which a PUT is refused, which has to leave nothing */
  async refusal(outgoing: Omit<Outgoing, 'path' | 'method'>, query = '') {
    return problemOf(await this.leavesNothing((path) => this.put(`${path}${query}`, outgoing)));
  }

  /** The objects, spooled files and open files now. */
  async traces(): Promise<{ stored: string[]; spooled: string[]; open: string[] }> {
    const spooled = await this.spooled();
    const open = (await this.service.openFiles()).sort();
    return { stored: await storedKeys(this.environment), spooled, open };
  }

  /** Waits until the traces are the same as before. */
  async cleanAs(before: Awaited<ReturnType<Harness['traces']>>): Promise<void> {
    const giveUp = performance.now() + HANG_MS;
    let now = await this.traces();
    while (JSON.stringify(now) !== JSON.stringify(before) && performance.now() < giveUp) {
      await sleep(20);
      now = await this.traces();
    }
    expect(now).toEqual(before);
  }

  async takesUploads(): Promise<void> {
    const path = `/v1/avatars/good-${++this.count}`;
    const body = await picture('png');
    const created = await this.put(path, { body });
    expect([created.status, created.body.toString('latin1')]).toEqual([201, expect.any(String)]);
    const got = await this.send({ path });
    expect(got.status).toBe(200);
  }

  spooled(): Promise<string[]> {
    const folder = this.environment['UPLOAD_SPOOL_PATH'];
    return folder === undefined ? this.service.spooled() : readdir(folder);
  }

  /** Waits until the spool holds this many uploads. */
  async spooling(count: number): Promise<void> {
    while ((await this.spooled()).length !== count) await sleep(5);
  }

  /** Makes these requests arrive at the same moment: the service is stopped while they are sent. */
  async atOnce(requests: readonly Buffer[]): Promise<RawConnection[]> {
    const connections = await Promise.all(requests.map(() => RawConnection.open(this.service.url)));
    this.service.process.kill('SIGSTOP');
    try {
      await Promise.all(connections.map((connection, i) => connection.handOver(requests[i] ?? '')));
    } finally {
      this.service.process.kill('SIGCONT');
    }
    return connections;
  }

  /** The peak growth of the process during a task, in MB. */
  async growth(task: () => Promise<unknown>): Promise<number> {
    const proc = `/proc/${String(this.service.process.pid)}`;
    const read = async (field: string) => {
      const status = await readFile(`${proc}/status`, 'utf8');
      return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
    };
    // 5 resets the high-water mark: proc(5).
    await writeFile(`${proc}/clear_refs`, '5');
    const before = await read('VmRSS');
    await task();
    return (await read('VmHWM')) - before;
  }

  /** Stops the service, which must not have died before. */
  async stop(): Promise<void> {
    expect(this.service.process.exitCode).toBeNull();
    running.delete(this.service);
    expect(await this.service.stop()).toBe(0);
  }
}

/** Every object in the storage, read directly: with unfinished files, without lock files. */
export async function storedKeys(environment: Environment): Promise<string[]> {
  const folder = environment['STORAGE_LOCAL_PATH'];
  if (folder !== undefined) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    return files.filter((file) => !file.includes('/.locks/')).sort();
  }
  const keys: string[] = [];
  for await (const { key } of openBackend(environment).list('')) keys.push(key);
  return keys;
}
