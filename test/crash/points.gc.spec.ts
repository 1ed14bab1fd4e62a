import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { pictureKey } from '../../src/avatars/keys.js';
import { openBackend } from '../support/backend.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { type Environment, backends } from '../support/service.js';
import { ONE_THREAD } from './kill-at-call.js';
import { SMALL, Scene, until } from './scene.js';

/** The shortest that the settings allow with these deadlines. */
const GRACE_MS = 8000;
const SHORT = {
  AVATAR_GRACE_MS: String(GRACE_MS),
  AVATAR_COMMIT_TIMEOUT_MS: '2000',
  STORAGE_S3_TIMEOUT_MS: '2000',
  STORAGE_LOCAL_LOCK_TIMEOUT_MS: '2000',
  STORAGE_FALLBACK: 'none',
};

describe.each(backends)('kill -9 in a garbage collection on $name', (backend) => {
  let environment: Environment;
  let scene: Scene;
  let garbage: string[];

  beforeEach(async () => {
    environment = { ...(await backend.environment()), ...SHORT };
    scene = await Scene.prepare(environment);
    const version = uuidv7();
    garbage = ['master.png', '32.png'].map((name) => pictureKey('small', version, name));
    for (const key of garbage) await openBackend(environment).store(key, SMALL);
    await sleep(GRACE_MS + 1500);
  });

  const points = ['before an object is deleted', 'after it'] as const;
  it.each(points)('%s: takes nothing else, and can be repeated', async (point) => {
    await (backend.name === 'local' ? killOnDisk(point) : killOnBucket(point));
    const left = point === 'after it' ? 1 : 2;
    expect(await leftOver()).toHaveLength(left);
    await scene.recover('alice');
    const [code] = (await once(gc(environment), 'exit')) as [number];
    expect(code).toBe(0);
    expect(await leftOver()).toEqual([]);
  });

  /** What comes after the first unlink(2), whether it is another or that of the folder, is the second one's. */
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
    const collecting = gc({ ...environment, ...ONE_THREAD }, ['strace', ...inject]);
    expect(await once(collecting, 'exit')).toEqual([null, 'SIGKILL']);
  }

  async function killOnBucket(point: (typeof points)[number]): Promise<void> {
    const proxy = await FaultProxy.start(environment['STORAGE_S3_ENDPOINT'] ?? '');
    const committed = point === 'after it' ? ({ committed: true } as const) : {};
    proxy.rule({ operation: 'DeleteObject', key: /^avatars\//, fault: { type: 'black-hole', ...committed } });
    const collecting = gc({ ...environment, STORAGE_S3_ENDPOINT: proxy.url, STORAGE_S3_TIMEOUT_MS: '2000' });
    await until(() => proxy.held > 0);
    if (point === 'after it') await until(async () => (await leftOver()).length === 1);
    const ended = once(collecting, 'exit');
    collecting.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    await proxy.stop();
  }

  async function leftOver(): Promise<string[]> {
    const left = [];
    for await (const { key } of openBackend(environment).list('')) if (garbage.includes(key)) left.push(key);
    return left;
  }
});

function gc(environment: Environment, prefix: string[] = []): ChildProcess {
  const line = [...prefix, process.execPath, resolve('dist/cli/main.js'), 'gc'];
  const env = { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', ...environment };
  return spawn(line[0] ?? '', line.slice(1), { env, stdio: 'ignore' });
}
