import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { problemOf, send } from '../http/support/client.js';
import { local } from '../support/local.js';
import { freePort, listenSomewhere, listens } from '../support/ports.js';
import { type RunningService, startService } from '../support/service.js';
import { needs } from '../support/tools.js';

const FILE = 'deploy/haproxy.cfg';

needs('haproxy')(FILE, () => {
  let folder: string;
  let service: RunningService;
  let proxy: ChildProcess | undefined;
  let url: string;
  let output = '';
  /** Connections for requests; those for checks go to the service itself. */
  let accepted = 0;
  const counter = createServer((incoming) => {
    accepted++;
    const outgoing = connect(Number(new URL(service.url).port), '127.0.0.1');
    incoming.pipe(outgoing).pipe(incoming);
    for (const socket of [incoming, outgoing]) {
      socket.on('error', () => {
        incoming.destroy();
        outgoing.destroy();
      });
    }
  });

  /** The file itself, except for the address it listens on and the service's: the test does without containers. */
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'visage-haproxy-'));
    service = await startService(await local.environment());
    const port = await freePort();
    const replica = `127.0.0.1:${await listenSomewhere(counter)}`;
    const config = readFileSync(FILE, 'utf8')
      .replace('bind :3000', `bind 127.0.0.1:${port}`)
      .replaceAll(/default-server .*resolvers .*\n/g, '')
      .replaceAll(/server-template .*/g, `server visage ${replica} inter 100ms`);
    const path = join(folder, 'haproxy.cfg');
    writeFileSync(path, config);
    const started = spawn('haproxy', ['-f', path], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, VISAGE_CHECK_PORT: new URL(service.url).port },
    });
    proxy = started;
    for (const stream of [started.stdout, started.stderr]) {
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    }
    url = `http://127.0.0.1:${port}`;
    while (!(await listens(port))) {
      if (started.exitCode !== null) throw new Error(`haproxy ended:\n${output}`);
      await sleep(20);
    }
  });
  afterAll(async () => {
    proxy?.kill();
    counter.close();
    await service.stop();
    rmSync(folder, { recursive: true });
  });

  it('is accepted by HAProxy without a warning', () => {
    const checked = execFileSync('haproxy', ['-c', '-V', '-f', FILE], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(checked).toContain('Configuration file is valid');
    expect(checked).not.toMatch(/warning/i);
  });

  it('forwards requests to the service', async () => {
    expect((await send(url, { path: '/health/ready' })).status).toBe(200);
    expect(problemOf(await send(url, { path: '/v1/avatars/nobody' }))).toEqual({
      status: 404,
      code: 'avatar_not_found',
    });
  });

  it('opens no connection to a replica for each client, and no more than a replica lets wait', async () => {
    const before = accepted;
    for (let client = 0; client < 20; client++) await send(url, { path: '/v1/avatars/nobody' });
    expect(accepted - before).toBeLessThan(5);
    const most = /^ {2}default-server maxconn (\d+)$/m.exec(readFileSync(FILE, 'utf8'))?.[1];
    // The default of Node's `server.listen`.
    expect(Number(most)).toBeLessThan(511);
  });

  it.each(['/metrics', '/metrics?x=1', '/metrics/', '/%6detrics', '/%6D%65trics', '/metric%73?a'])(
    'does not forward %s',
    async (path) => {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const answer = await send(url, { method, path });
        expect(answer.status).toBe(404);
        expect(answer.body.toString()).not.toContain('visage_');
      }
      const headers = { 'X-Request-Id': 'ours' };
      const answer = await send(url, { path, headers });
      expect(problemOf(answer)).toEqual({ status: 404, code: 'route_not_found' });
      expect(answer.body.toString()).toContain('"requestId":"ours"');
    },
  );

  it('has to hide them: the service itself answers them', async () => {
    for (const path of ['/metrics', '/metrics?x=1', '/%6detrics']) {
      expect((await send(service.url, { path })).status).toBe(200);
    }
  });
});
