import { spawn, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './nginx.mjs';
import { ServerProcess } from './process.mjs';

const START_MS = 10_000;

/**
 * nginx with TLS and HTTP/2 in front of the service, as a page of today meets it, with a certificate of its own.
 * @param {string} upstream the URL of the service
 * @param {string} folder a new folder for its files
 */
export async function startHttp2(upstream, folder) {
  await mkdir(folder);
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...['-subj', '/CN=127.0.0.1', '-keyout', key, '-out', certificate],
  ]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  const port = await freePort();
  await writeFile(
    join(folder, 'nginx.conf'),
    `
daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream visage { server ${new URL(upstream).host}; keepalive 32; }
  server {
    listen 127.0.0.1:${port} ssl;
    http2 on;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    location / {
      proxy_pass http://visage;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`,
  );
  const server = new ServerProcess(
    spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-p', folder], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
    `https://127.0.0.1:${port}`,
  );
  for (const giveUp = performance.now() + START_MS; !(await isOpen(port)); await sleep(20)) {
    if (performance.now() < giveUp) continue;
    await server.stop();
    throw new Error('nginx does not start');
  }
  return server;
}

function isOpen(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (open) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
