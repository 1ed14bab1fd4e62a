import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { send } from '../http/support/client.js';
import { s3Environment } from '../support/backends.js';
import { FaultProxy, type Match } from '../support/fault-proxy.js';
import { TORTURE, sliceOf } from '../support/programme.js';
import { describeS3 } from '../support/s3.js';
import { type Environment, type RunningService, startProcess } from '../support/service.js';
import { LARGE, SMALL, Scene, type Shown, change, until } from './scene.js';

interface Point {
  point: string;
  at: Match;
  /** Killed after the server carried out the request; otherwise before the server sees it. */
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

const erasingVersion: Point[] = [
  { point: 'before the manifest', at: MANIFEST, shown: 'small' },
  { point: 'after the manifest', at: MANIFEST, committed: true, shown: 'nothing' },
  { point: 'before a picture is deleted', at: PICTURE, shown: 'nothing' },
];

describeS3('kill -9 on a bucket', () => {
  let environment: Environment;
  let scene: Scene;
  let service: RunningService;
  let between: { stop(): unknown };
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await s3Environment()), STORAGE_FALLBACK: 'none' };
    scene = await Scene.prepare(environment);
  });
  afterEach(async () => {
    await Promise.all([service.stop(), between.stop()]);
  });

  const operations: [string, Shown, string, Point[], RegExp][] = [
    ['an upload that replaces', 'small', 'PUT', replacing, /^before the manifest/],
    ['a first upload', 'nothing', 'PUT', first, /^before the manifest/],
    ['a delete', 'small', 'DELETE', deleting, /^after the manifest/],
    ['an erasure', 'small', 'DELETE ?erase=true', erasing, /^after the manifest/],
    ['an erasure of a version', 'small', 'DELETE /versions/', erasingVersion, /^before a picture/],
  ];
  describe.each(operations)('in %s', (_, before, request, points, inGate) => {
    it.each(sliceOf(points, ({ point }) => inGate.test(point)))('$point: shows $shown', async (point) => {
      const { at, committed, shown } = point;
      const proxy = await FaultProxy.start(environment['STORAGE_S3_ENDPOINT'] ?? '');
      between = proxy;
      const id = await start(proxy.url, before);
      const held = proxy.hold(at);
      await killed(request, id, async () => {
        const arrived = await held;
        if (committed) await arrived.commit();
      });
      expect(await scene.recover(id)).toBe(shown);
    });
  });

  if (TORTURE) {
    it('in an upload, mid-write: shows small', async () => {
      const tunnel = await startTunnel(environment['STORAGE_S3_ENDPOINT'] ?? '');
      between = tunnel;
      const id = await start(tunnel.url, 'small');
      tunnel.stallAfter(HALF_A_MASTER_BYTES);
      await killed('PUT', id, () => until(() => tunnel.stalled()));
      expect(await scene.recover(id)).toBe('small');
    });
  }

  /** @returns the id of an avatar that only this test uses */
  async function start(endpoint: string, before: Shown): Promise<string> {
    service = await startProcess({ ...environment, STORAGE_S3_ENDPOINT: endpoint });
    const id = `avatar-${++count}`;
    if (before === 'small') expect(await change(service, 'PUT', id, SMALL)).toBe(201);
    return id;
  }

  async function currentOf(id: string): Promise<string> {
    const { body } = await send(service.url, { path: `/v1/avatars/${id}/info` });
    return (JSON.parse(body.toString()) as { version: string }).version;
  }

  async function killed(request: string, id: string, reached: () => Promise<void>): Promise<void> {
    const [method = '', rest = ''] = request.split(' ');
    const query = rest.endsWith('/') ? `${rest}${await currentOf(id)}` : rest;
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
  }
});

/** A large master is about 840 kB. */
const HALF_A_MASTER_BYTES = 400_000;

/** Passes bytes on to the server as they come, up to a limit. */
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
