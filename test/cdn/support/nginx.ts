import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listens } from '../../support/ports.js';

export interface Nginx {
  url: string;
  stop(): Promise<void>;
}

/** A caching nginx in front of a service, with the module that purges: docs/cdn.md has the same lines. */
export async function startNginx(service: string, port: number): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-nginx-'));
  const path = join(folder, 'nginx.conf');
  await writeFile(path, configOf(folder, port, service));
  const nginx = spawn('nginx', ['-p', folder, '-c', path, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  nginx.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const closed = once(nginx, 'close');
  while (!(await listens(port))) {
    if (nginx.exitCode !== null) throw new Error(`nginx ended:\n${output}`);
    await sleep(10);
  }
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      nginx.kill();
      await closed;
      await rm(folder, { recursive: true });
    },
  };
}

function configOf(folder: string, port: number, service: string): string {
  return `
    load_module /usr/lib/nginx/modules/ngx_http_cache_purge_module.so;
    daemon off;
    master_process off;
    pid ${folder}/nginx.pid;
    events {}
    http {
      access_log off;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      proxy_cache_path ${folder}/cache keys_zone=avatars:1m inactive=1y;
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass ${service};
          proxy_cache avatars;
          proxy_cache_key $uri$is_args$args;
          proxy_cache_purge PURGE from 127.0.0.1;
          add_header X-Cache $upstream_cache_status always;
        }
      }
    }`;
}
