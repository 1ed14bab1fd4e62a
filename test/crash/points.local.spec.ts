import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { send } from '../http/support/client.js';
import { local } from '../support/local.js';
import { sliceOf } from '../support/programme.js';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { needs } from '../support/tools.js';
import { COUNTED, type Point, TEMPORARY, bytesIn, killAtCall } from './kill-at-call.js';
import { LARGE, SMALL, Scene, type Shown, change, until } from './scene.js';

const ROOT = /objects>/;
const MANIFEST = /manifests\/[\w-]+\.json/;

const replacing: Point[] = [
  { point: 'after the temporary file is opened', at: ['unlink', 1, TEMPORARY], limit: 0, shown: 'small' },
  { point: 'mid-write', at: ['unlink', 1, TEMPORARY], limit: 300_000, shown: 'small' },
  { point: 'before fsync', at: ['fsync', 1, TEMPORARY], shown: 'small' },
  { point: 'after fsync', at: ['link', 1, /master\.jpeg/], shown: 'small' },
  { point: 'after the folder is made', at: ['link', 2, /master\.jpeg/], shown: 'small' },
  { point: "after link, before the folder's fsync", at: ['fsync', 2, ROOT], shown: 'small' },
  { point: "between the folders' fsyncs", at: ['fsync', 4, /avatars/], shown: 'small' },
  { point: 'after the master', at: ['unlink', 1, TEMPORARY], shown: 'small' },
  { point: 'before the manifest is fsynced', at: ['fsync', 6, TEMPORARY], shown: 'small' },
  { point: 'before the manifest', at: ['rename', 1, MANIFEST], shown: 'small' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 7, ROOT], shown: 'large' },
  { point: 'after the manifest', at: ['unlink', 3, /spool/], shown: 'large' },
  { point: 'before the reply', at: ['writev', 1, /HTTP\/1\.1 201/], shown: 'large' },
];

const first: Point[] = [
  { point: 'after link', at: ['fsync', 2, ROOT], shown: 'nothing' },
  { point: 'before the manifest', at: ['link', 3, MANIFEST], shown: 'nothing' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 7, ROOT], shown: 'large' },
  { point: 'before the reply', at: ['writev', 1, /HTTP\/1\.1 201/], shown: 'large' },
];

const deleting: Point[] = [
  { point: 'after the temporary file is opened', at: ['unlink', 1, TEMPORARY], limit: 0, shown: 'small' },
  { point: 'mid-write', at: ['unlink', 1, TEMPORARY], limit: 100, shown: 'small' },
  { point: 'before fsync', at: ['fsync', 1, TEMPORARY], shown: 'small' },
  { point: 'before the manifest', at: ['rename', 1, MANIFEST], shown: 'small' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 2, ROOT], shown: 'nothing' },
  { point: "between the folders' fsyncs", at: ['fsync', 3, /manifests>/], shown: 'nothing' },
];

const erasing: Point[] = [
  { point: 'before the manifest', at: ['rename', 1, MANIFEST], shown: 'small' },
  { point: "after the manifest, before its folder's fsync", at: ['fsync', 2, ROOT], shown: 'nothing' },
  { point: 'before the first picture is deleted', at: ['unlink', 2, /master\.jpeg/], shown: 'nothing' },
  { point: 'after a picture is deleted', at: ['rmdir', 1, /avatars/], shown: 'nothing' },
];

needs('strace')('kill -9 on a disk', () => {
  let folder: string;
  let spool: string;
  let environment: Environment;
  let scene: Scene;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'visage-crash-'));
    spool = join(folder, 'spool');
    const own = { STORAGE_LOCAL_PATH: join(folder, 'objects'), UPLOAD_SPOOL_PATH: spool };
    environment = { ...(await local.environment()), ...own };
    scene = await Scene.prepare(environment);
  });
  afterEach(() => service.stop());
  afterAll(() => rm(folder, { recursive: true }));

  const operations: [string, Shown, string, Point[], RegExp][] = [
    ['an upload that replaces', 'small', 'PUT', replacing, /^before the manifest$/],
    ['a first upload', 'nothing', 'PUT', first, /^before the manifest$/],
    ['a delete', 'small', 'DELETE', deleting, /^after the manifest/],
    ['an erasure', 'small', 'DELETE ?erase=true', erasing, /^after the manifest/],
  ];
  describe.each(operations)('in %s', (_, before, request, points, inGate) => {
    it.each(sliceOf(points, ({ point }) => inGate.test(point)))(
      '$point: shows $shown',
      async ({ shown, ...point }) => {
        const id = `avatar-${++count}`;
        service = await startProcess({ ...environment, ...COUNTED });
        expect(await change(service, 'PUT', before === 'nothing' ? `other-${count}` : id, SMALL)).toBe(201);
        const [method = '', query = ''] = request.split(' ');
        const path = `/v1/avatars/${id}${query}`;
        const temporary = join(folder, 'objects', '.tmp');
        await killAtCall(service, point, temporary, async (restrict) => {
          const body = new Readable({ read: () => undefined });
          if (method === 'PUT') body.push(LARGE);
          const answer = send(service.url, { method, path, ...(method === 'PUT' && { body }) });
          const broken = expect(answer).rejects.toThrow(/hang up|ECONNRESET/);
          // What is spooled has to be spooled before the limit holds.
          if (method === 'PUT') await until(async () => (await bytesIn(spool)) === LARGE.length);
          restrict();
          body.push(null);
          await broken;
        });
        expect(await scene.recover(id)).toBe(shown);
      },
    );
  });
});
