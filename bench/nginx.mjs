import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from './http.mjs';
import { ServerProcess, pinned } from './process.mjs';

/** What nginx says itself, or what would make two of one. */
const OWN_HEADERS = ['date', 'connection', 'keep-alive', 'content-type', 'content-length', 'server'];

const START_MS = 10_000;

export const hasNginx = spawnSync('nginx', ['-v']).status === 0;

/**
 * nginx with one worker, which sends a file from disk at `/picture`.
 * @param {{ status: number, headers: Record<string, string>, body: Buffer }} answer of the service, whose headers it is to give
 * @param {{ folder: string, core: number }} options a new folder for its files, and the only core that it may use
 */
export async function startNginx({ headers, body }, { folder, core }) {
  await mkdir(folder);
  await writeFile(join(folder, 'picture'), body);
  const port = await freePort();
  await writeFile(join(folder, 'nginx.conf'), configuration(headers, { folder, port }));
  const [command, ...line] = pinned(core, ['nginx', '-c', join(folder, 'nginx.conf'), '-p', folder]);
  const server = new ServerProcess(
    spawn(command, line, { stdio: ['ignore', 'ignore', 'inherit'] }),
    `http://127.0.0.1:${port}`,
  );
  const giveUp = performance.now() + START_MS;
  for (;;) {
    try {
      await get(`${server.url}/picture`);
      return server;
    } catch (error) {
      if (error.code !== 'ECONNREFUSED' || performance.now() > giveUp) {
        await server.stop();
        throw error;
      }
      await sleep(20);
    }
  }
}

function configuration(headers, { folder, port }) {
  const added = Object.entries(headers)
    .filter(([name]) => !OWN_HEADERS.includes(name))
    .map(([name, value]) => `add_header ${name} ${quoted(value)} always;`)
    .join('\n      ');
  return `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 256; }
http {
  access_log off;
  server_tokens off;
  etag off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  open_file_cache max=16;
  client_body_temp_path ${folder}/temporary;
  proxy_temp_path ${folder}/temporary;
  fastcgi_temp_path ${folder}/temporary;
  uwsgi_temp_path ${folder}/temporary;
  scgi_temp_path ${folder}/temporary;
  server {
    listen 127.0.0.1:${port};
    location = /picture {
      root ${folder};
      default_type ${headers['content-type']};
      max_ranges 0;
      add_header Last-Modified "";
      ${added}
      if ($http_if_none_match = ${quoted(headers.etag)}) { return 304; }
    }
  }
}
`;
}

function quoted(value) {
  return `'${value.replace(/[\\']/g, '\\$&')}'`;
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
