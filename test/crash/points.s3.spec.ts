import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { send } from '../http/support/client.js';
import { openBackend } from '../support/backend.js';
import { FaultProxy, type Match } from '../support/fault-proxy.js';
import { type Environment, type RunningService, backends, startService } from '../support/service.js';
import { LARGE, SMALL, Scene, type Shown, change, until } from './scene.js';

interface Point {
  point: string;
  at: Match;
  /** Killed when the server has done what it was asked, else before it learns of it. */
  committed?: true;
  shown: Shown;
}

const MASTER: Match = { operation: 'PutObject', key: /^avatars\// };
const MANIFEST: Match = { operation: 'PutObject', key: /^manifests\// };
const PICTURE: Match = { operation: 'DeleteObject', key: /^avatars\// };

const replacing: Point[] = [
  { point: 'before the master', at: MASTER, shown: 'small' },
  { point: 'after the master', at: MASTER, committed: true, shown: 'small' },
  { point: 'before the manifest', at: MANIFEST, shown: 'small' },
  { point: 'after the manifest, before the reply', at: MANIFEST, committed: true, shown: 'large' },
];
const first: Point[] = [
  { point: 'after the master', at: MASTER, committed: true, shown: 'nothing' },
  { point: 'before the manifest', at: MANIFEST, shown: 'nothing' },
  { point: 'after the manifest, before the reply', at: MANIFEST, committed: true, shown: 'large' },
];
const deleting: Point[] = [
  { point: 'before the manifest', at: MANIFEST, shown: 'small' },
  { point: 'after the manifest, before the reply', at: MANIFEST, committed: true, shown: 'nothing' },
];
const erasing: Point[] = [
  { point: 'before the manifest', at: MANIFEST, shown: 'small' },
  { point: 'after the manifest', at: MANIFEST, committed: true, shown: 'nothing' },
  { point: 'before a picture is deleted', at: PICTURE, shown: 'nothing' },
  { point: 'after a picture is deleted', at: PICTURE, committed: true, shown: 'nothing' },
];

const s3 = backends.find(({ name }) => name === 's3');

(s3 ? describe : describe.skip)('kill -9 on a bucket', () => {
  let environment: Environment;
  let scene: Scene;
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await s3?.environment()), STORAGE_FALLBACK: 'none' };
    scene = await Scene.prepare(environment);
  });

  const operations: [string, Shown, string, Point[]][] = [
    ['an upload that replaces', 'small', 'PUT', replacing],
    ['a first upload', 'nothing', 'PUT', first],
    ['a delete', 'small', 'DELETE', deleting],
    ['an erasure', 'small', 'DELETE ?erase=true', erasing],
  ];
  describe.each(operations)('in %s', (_, before, request, points) => {
    it.each(points)('$point: shows $shown', async ({ at, committed, shown }) => {
      const proxy = await FaultProxy.start(environment['STORAGE_S3_ENDPOINT'] ?? '');
      const { service, id } = await start(proxy.url, before);
      const stored = await storedNow();
      proxy.rule({ ...at, fault: { type: 'black-hole', ...(committed && { committed }) } });
      await killed(service, request, id, async () => {
        await until(() => proxy.held > 0);
        if (committed) await until(async () => (await storedNow()) !== stored);
      });
      await proxy.stop();
      expect(await scene.recover(id)).toBe(shown);
    });
  });

  it('in an upload, mid-write: shows small', async () => {
    const tunnel = await startTunnel(environment['STORAGE_S3_ENDPOINT'] ?? '');
    const { service, id } = await start(tunnel.url, 'small');
    tunnel.stallAfter(HALF_A_MASTER_BYTES);
    await killed(service, 'PUT', id, () => until(() => tunnel.stalled()));
    tunnel.stop();
    expect(await scene.recover(id)).toBe('small');
  });

  async function start(endpoint: string, before: Shown): Promise<{ service: RunningService; id: string }> {
    const service = await startService({ ...environment, STORAGE_S3_ENDPOINT: endpoint });
    const id = `avatar-${++count}`;
    if (before === 'small') expect(await change(service, 'PUT', id, SMALL)).toBe(201);
    return { service, id };
  }

  async function killed(service: RunningService, request: string, id: string, reached: () => Promise<void>) {
    const [method = '', query = ''] = request.split(' ');
    const ended = once(service.process, 'exit');
    const answer = send(service.url, {
      method,
      path: `/v1/avatars/${id}${query}`,
      ...(method === 'PUT' && { body: LARGE }),
    });
    const broken = expect(answer).rejects.toThrow(/hang up|ECONNRESET/);
    await reached();
    service.process.kill('SIGKILL');
    expect(await ended).toEqual([null, 'SIGKILL']);
    await broken;
    await service.stop();
  }

  /** Changes with each write. */
  async function storedNow(): Promise<string> {
    const objects = [];
    for await (const object of openBackend(environment).list('')) objects.push(object);
    return JSON.stringify(objects);
  }
});

/** A large one is some 840 kB. */
const HALF_A_MASTER_BYTES = 400_000;

/** Passes bytes on to the server as they come, up to a number of them. */
async function startTunnel(endpoint: string) {
  const { hostname, port } = new URL(endpoint);
  let left = Infinity;
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    const upstream = connect({ host: hostname, port: Number(port) });
    client.on('data', (chunk) => {
      left -= chunk.length;
      upstream.write(chunk);
      if (left <= 0) client.pause();
    });
    upstream.pipe(client);
    sockets.push(client, upstream);
    for (const socket of [client, upstream]) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stallAfter: (bytes: number) => (left = bytes),
    stalled: () => left <= 0,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
