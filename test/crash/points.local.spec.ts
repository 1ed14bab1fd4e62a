import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { send } from '../http/support/client.js';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { Tracing } from '../support/strace.js';
import { LARGE, SMALL, Scene, type Shown, change, until } from './scene.js';

interface Point {
  point: string;
  /**
   * Killed on entering the so manieth call of this name since the request came; or in the write that would make a file
   * longer than so many bytes, by the kernel's SIGXFSZ (setrlimit(2)).
   */
  at: readonly [name: string, nth: number, on: RegExp] | number;
  /** What the avatar shows afterwards. */
  shown: Shown;
}

const TEMPORARY = /\.tmp\/[0-9a-f-]+/;
const ROOT = /objects>/;
const MANIFEST = /manifests\/\w+\.json/;

const replacing: Point[] = [
  { point: 'after the temporary file is opened', at: 0, shown: 'small' },
  { point: 'mid-write', at: 300_000, shown: 'small' },
  { point: 'before fsync', at: ['fsync', 1, TEMPORARY], shown: 'small' },
  { point: 'after fsync', at: ['link', 1, /master\.jpeg/], shown: 'small' },
  { point: 'after the folder is made', at: ['link', 2, /master\.jpeg/], shown: 'small' },
  { point: "after link, before the folder's fsync", at: ['fsync', 2, ROOT], shown: 'small' },
  { point: "between the folders' fsyncs", at: ['fsync', 4, /avatars/], shown: 'small' },
  { point: 'after the master', at: ['unlink', 1, TEMPORARY], shown: 'small' },
  { point: 'before the manifest is fsynced', at: ['fsync', 6, TEMPORARY], shown: 'small' },
  { point: 'before the manifest', at: ['rename', 1, MANIFEST], shown: 'small' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 7, ROOT], shown: 'large' },
  { point: 'after the manifest', at: ['unlink', 2, /spool/], shown: 'large' },
  { point: 'before the reply', at: ['writev', 1, /HTTP\/1\.1 201/], shown: 'large' },
];

const first: Point[] = [
  { point: 'after link', at: ['fsync', 2, ROOT], shown: 'nothing' },
  { point: 'before the manifest', at: ['link', 3, MANIFEST], shown: 'nothing' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 7, ROOT], shown: 'large' },
  { point: 'before the reply', at: ['writev', 1, /HTTP\/1\.1 201/], shown: 'large' },
];

const deleting: Point[] = [
  { point: 'after the temporary file is opened', at: 0, shown: 'small' },
  { point: 'mid-write', at: 100, shown: 'small' },
  { point: 'before fsync', at: ['fsync', 1, TEMPORARY], shown: 'small' },
  { point: 'before the manifest', at: ['rename', 1, MANIFEST], shown: 'small' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 2, ROOT], shown: 'nothing' },
  { point: "between the folders' fsyncs", at: ['fsync', 3, /manifests>/], shown: 'nothing' },
];

const [local] = backends;

describe('kill -9 on a disk', () => {
  let folder: string;
  let spool: string;
  let environment: Environment;
  let scene: Scene;
  let count = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-crash-'));
    spool = join(folder, 'spool');
    const own = { STORAGE_LOCAL_PATH: join(folder, 'objects'), UPLOAD_SPOOL_PATH: spool };
    environment = { ...(await local?.environment()), ...own };
    scene = await Scene.prepare(environment);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const operations: [string, Shown, 'PUT' | 'DELETE', Point[]][] = [
    ['an upload that replaces', 'small', 'PUT', replacing],
    ['a first upload', 'nothing', 'PUT', first],
    ['a delete', 'small', 'DELETE', deleting],
  ];
  describe.each(operations)('in %s', (_, before, method, points) => {
    it.each(points)('$point: shows $shown', async ({ at, shown }) => {
      const id = `avatar-${++count}`;
      // strace counts the calls of each thread by itself.
      const service = await startService({ ...environment, UV_THREADPOOL_SIZE: '1' });
      const warm = before === 'nothing' ? 'another' : id;
      expect(await change(service, 'PUT', warm, SMALL)).toBeLessThan(300);
      if (typeof at === 'number') await killAtLength(service, at, method, id);
      else await killAtCall(service, at, method, id);
      expect(await scene.recover(id)).toBe(shown);
    });
  });

  async function killAtLength(service: RunningService, bytes: number, method: string, id: string) {
    const ended = once(service.process, 'exit');
    // What is spooled has to be spooled before the limit holds.
    const body = new Readable({ read: () => undefined });
    if (method === 'PUT') body.push(LARGE);
    else body.push(null);
    const answer = send(service.url, { method, path: `/v1/avatars/${id}`, body });
    const broken = expect(answer).rejects.toThrow(/hang up|ECONNRESET/);
    if (method === 'PUT') await until(async () => (await spooledBytes()) === LARGE.length);
    execFileSync('prlimit', ['--pid', String(service.process.pid), `--fsize=${bytes}`]);
    if (method === 'PUT') body.push(null);
    expect(await ended).toEqual([null, 'SIGXFSZ']);
    await broken;
    await service.stop();
  }

  async function killAtCall(
    service: RunningService,
    [name, nth, on]: readonly [string, number, RegExp],
    method: string,
    id: string,
  ) {
    const pid = Number(service.process.pid);
    const ended = once(service.process, 'exit');
    const tracing = await Tracing.ofProcess(pid, ['-e', `inject=${name}:signal=KILL:when=${nth}`]);
    const body = method === 'PUT' ? { body: LARGE } : {};
    await expect(send(service.url, { method, path: `/v1/avatars/${id}`, ...body })).rejects.toThrow(
      /hang up|ECONNRESET/,
    );
    expect(await ended).toEqual([null, 'SIGKILL']);
    const last = (await tracing.finish(pid)).filter(
      ({ result, name: called }) => result === '?' && called === name,
    );
    expect(last.map((call) => call.arguments)).toEqual([expect.stringMatching(on)]);
    await service.stop();
  }

  async function spooledBytes(): Promise<number> {
    const sizes = (await readdir(spool)).map(async (name) => (await stat(join(spool, name))).size);
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }
});
