import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { send } from '../http/support/client.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy, type Match } from '../support/fault-proxy.js';
import { sliceOf } from '../support/programme.js';
import { testS3 } from '../support/s3.js';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { needs } from '../support/tools.js';
import { COUNTED, type Point, TEMPORARY, bytesIn, killAtCall } from './kill-at-call.js';
import { LARGE, SMALL, Scene, change, until } from './scene.js';

const MASTER: Match = { operation: 'PutObject', key: /^avatars\// };
const MANIFEST: Match = { operation: 'PutObject', key: /^manifests\// };

const writing: Point[] = [
  { point: 'after the temporary file is opened', at: ['unlink', 1, TEMPORARY], limit: 0, shown: 'nothing' },
  { point: 'mid-write', at: ['unlink', 1, TEMPORARY], limit: 300_000, shown: 'nothing' },
  { point: 'before the master', at: ['rename', 1, /pending\/.*\.master/], shown: 'nothing' },
  { point: 'after the master, before the entry is fsynced', at: ['fsync', 4, TEMPORARY], shown: 'nothing' },
  { point: 'before the entry', at: ['rename', 2, /pending\/.*\.json/], shown: 'nothing' },
  { point: "after the entry, before its folder's fsync", at: ['fsync', 5, /slot-0>/], shown: 'large' },
  { point: 'before the reply', at: ['writev', 1, /HTTP\/1\.1 202/], shown: 'large' },
];

const replaying: { point: string; at: Match; committed?: true }[] = [
  { point: 'before the master', at: MASTER },
  { point: 'after the master', at: MASTER, committed: true },
  { point: 'before the manifest', at: MANIFEST },
  { point: 'after the manifest, before the reply', at: MANIFEST, committed: true },
];

const removing: Omit<Point, 'shown'>[] = [
  { point: 'before the entry is removed', at: ['unlink', 1, /pending\/.*\.json/] },
  { point: 'after the entry is removed, before its master is', at: ['unlink', 2, /pending\/.*\.master/] },
];

(testS3 ? needs('strace') : describe.skip)('kill -9 while the bucket is away', () => {
  let folder: string;
  let environment: Environment;
  let scene: Scene;
  let proxy: FaultProxy;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-crash-'));
    const behind = await behindProxy(await s3Environment());
    // The outbox is for the bucket at this address, so the service is recovered under the same one.
    proxy = behind.proxy;
    environment = {
      ...behind.environment,
      OUTBOX_PATH: join(folder, 'outbox'),
      UPLOAD_SPOOL_PATH: join(folder, 'spool'),
      CONSTANT_OUTBOX_REPLAY_INTERVAL_MS: '200',
      CONSTANT_STORAGE_S3_BREAKER_RESET_MS: '200',
    };
    scene = await Scene.prepare(environment);
  });
  afterAll(async () => {
    await proxy.stop();
    await rm(folder, { recursive: true });
  });
  afterEach(() => service.stop());

  it.each(sliceOf(writing, ({ point }) => point === 'before the entry'))(
    'in a write to the outbox, $point: shows $shown',
    async ({ shown, ...point }) => {
      const id = await startAway();
      expect(await change(service, 'PUT', `other-${count}`, SMALL)).toBe(202);
      await killAtCall(service, point, join(folder, 'outbox', 'slot-0', '.tmp'), async (restrict) => {
        const body = new Readable({ read: () => undefined });
        body.push(LARGE);
        const answer = send(service.url, { method: 'PUT', path: `/v1/avatars/${id}`, body });
        const broken = expect(answer).rejects.toThrow(/hang up|ECONNRESET/);
        await until(async () => (await bytesIn(join(folder, 'spool'))) === LARGE.length);
        restrict();
        body.push(null);
        await broken;
      });
      await proxy.resume();
      expect(await scene.recover(id)).toBe(shown);
      expect(await pending()).toEqual([]);
    },
  );

  it.each(sliceOf(replaying, ({ point }) => point === 'before the manifest'))(
    'in the replay, $point: shows large',
    async ({ at, committed }) => {
      const id = await startAway();
      expect(await change(service, 'PUT', id, LARGE)).toBe(202);
      const held = proxy.hold(at);
      await proxy.resume();
      const request = await held;
      if (committed) await request.commit();
      const ended = once(service.process, 'exit');
      service.process.kill('SIGKILL');
      expect(await ended).toEqual([null, 'SIGKILL']);
      expect(await scene.recover(id)).toBe('large');
      expect(await pending()).toEqual([]);
    },
  );

  it.each(sliceOf(removing, ({ point }) => point.startsWith('after the entry')))(
    'in the replay, $point: shows large',
    async (point) => {
      const id = await startAway();
      expect(await change(service, 'PUT', id, LARGE)).toBe(202);
      await killAtCall(service, point, '', () => proxy.resume());
      expect(await scene.recover(id)).toBe('large');
      expect(await pending()).toEqual([]);
    },
  );

  /** @returns the id of an avatar that only this test uses */
  async function startAway(): Promise<string> {
    await proxy.stop();
    service = await startProcess({ ...environment, ...COUNTED });
    return `avatar-${++count}`;
  }

  async function pending(): Promise<string[]> {
    const names = await readdir(join(folder, 'outbox', 'slot-0'), { recursive: true });
    return names.filter((name) => /^(pending|aside)\//.test(name));
  }
});
