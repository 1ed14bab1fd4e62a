import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { v7 as uuidv7 } from 'uuid';
import { pictureKey } from '../../src/model/keys.js';
import { backends, openBackend } from '../support/backends.js';
import { clockAt } from '../support/clock.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { environmentOf } from '../support/patience.js';
import { sliceOf } from '../support/programme.js';
import type { Environment } from '../support/service.js';
import { needs } from '../support/tools.js';
import { COUNTED } from './kill-at-call.js';
import { SMALL, Scene } from './scene.js';

/** The least that the settings allow with these deadlines, and no more than the clock difference that an S3 server accepts. */
const GRACE_MS = 600_000;

needs('strace').each(backends)('kill -9 in a garbage collection on $name', (backend) => {
  let environment: Environment;
  let scene: Scene;
  let garbage: string[];
  /** A clock by which the garbage is older than the grace period. */
  let later: Environment;
  let proxy: FaultProxy | undefined;

  beforeEach(async () => {
    environment = {
      ...(await backend.environment()),
      AVATAR_GRACE_MS: String(GRACE_MS),
      STORAGE_FALLBACK: 'none',
    };
    scene = await Scene.prepare(environment);
    const version = uuidv7();
    garbage = ['master.png', '32.png'].map((name) => pictureKey('small', version, name));
    for (const key of garbage) await openBackend(environment).store(key, SMALL);
    later = { ...environment, ...clockAt(Date.now() + GRACE_MS + 60_000) };
  });

  afterEach(() => proxy?.stop());

  const points = ['before an object is deleted', 'after it'] as const;
  it.each(sliceOf(points, (point) => point === 'after it'))(
    '%s: takes nothing else, and can be repeated',
    async (point) => {
      await (backend.name === 'local' ? killOnDisk(point) : killOnBucket(point));
      // A bucket deletes both at once.
      const left = point !== 'after it' ? 2 : backend.name === 'local' ? 1 : 0;
      expect(await leftOver()).toHaveLength(left);
      await scene.recover('alice');
      const [code] = (await once(gc(later), 'exit')) as [number];
      expect(code).toBe(0);
      expect(await leftOver()).toEqual([]);
    },
  );

  /** The second unlink(2) is the next one after the first, whether of a file or of the folder. */
  async function killOnDisk(point: (typeof points)[number]): Promise<void> {
    const nth = point === 'after it' ? 2 : 1;
    const inject = [
      '-f',
      '-o',
      '/dev/null',
      '-e',
      'trace=unlink',
      '-e',
      `inject=unlink:signal=KILL:when=${nth}`,
    ];
    const collecting = gc({ ...later, ...COUNTED }, ['strace', ...inject]);
    expect(await once(collecting, 'exit')).toEqual([null, 'SIGKILL']);
  }

  async function killOnBucket(point: (typeof points)[number]): Promise<void> {
    proxy = await FaultProxy.start(environment['STORAGE_S3_ENDPOINT'] ?? '');
    const held = proxy.hold({ operation: 'DeleteObjects' });
    const collecting = gc({ ...later, STORAGE_S3_ENDPOINT: proxy.url });
    const ended = once(collecting, 'exit');
    const request = await held;
    if (point === 'after it') await request.commit();
    collecting.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
  }

  async function leftOver(): Promise<string[]> {
    const left = [];
    for await (const { key } of openBackend(environment).list('')) if (garbage.includes(key)) left.push(key);
    return left;
  }
});

function gc(environment: Environment, prefix: string[] = []): ChildProcess {
  const line = [...prefix, process.execPath, resolve('dist/test/cli.js'), 'gc'];
  return spawn(line[0] ?? '', line.slice(1), { env: environmentOf(environment), stdio: 'ignore' });
}
