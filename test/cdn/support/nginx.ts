import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listens } from '../../support/ports.js';

export interface Nginx {
  url: string;
  stop(): Promise<void>;
}

/** A caching nginx in front of a service, with the module that purges, configured as in docs/cdn.md. */
export async function startNginx(service: string, port: number): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'visage-nginx-'));
  const path = join(folder, 'nginx.conf');
  await writeFile(path, await configOf(folder, port, service));
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

/** The configuration of docs/cdn.md, with the folders, the port and the service of a test. */
async function configOf(folder: string, port: number, service: string): Promise<string> {
  const [, documented = ''] = /^```nginx\n(.*?)^```$/ms.exec(await readFile('docs/cdn.md', 'utf8')) ?? [];
  const server = [
    ['/var/cache/nginx-avatars', `${folder}/cache`],
    ['listen 8080;', `listen 127.0.0.1:${port};`],
    ['http://127.0.0.1:3000', service],
  ].reduce((text, [from = '', to = '']) => {
    if (!text.includes(from)) throw new Error(`docs/cdn.md has an nginx without ${from}`);
    return text.replace(from, to);
  }, documented);
  return `
    load_module /usr/lib/nginx/modules/ngx_http_cache_purge_module.so;
    daemon off;
    master_process off;
    pid ${folder}/nginx.pid;
    events { worker_connections 4096; }
    http {
      access_log off;
      client_body_temp_path ${folder}/body;
      proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/fastcgi;
      uwsgi_temp_path ${folder}/uwsgi;
      scgi_temp_path ${folder}/scgi;
      ${server}
    }`;
}
