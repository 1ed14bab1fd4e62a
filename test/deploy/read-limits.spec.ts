import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../http/support/client.js';
import { AvatarClient, jsonOf, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { freePort, listens } from '../support/ports.js';
import { type RunningService, startService } from '../support/service.js';
import { needs } from '../support/tools.js';

/** What docs/deploying.md lets one address read at once. */
const AT_ONCE = 1000;

/** Makes the configuration of a proxy from the lines in the document. */
interface Proxy {
  command: string;
  /** Of the block that has the lines. */
  language: string;
  /** A time that the test does not see the end of. */
  slower: readonly (readonly [RegExp, string])[];
  args: (path: string, folder: string) => string[];
  configOf: (lines: string, folder: string, port: number, service: string) => string;
}

const PROXIES: Proxy[] = [
  {
    command: 'nginx',
    language: 'nginx',
    slower: [[/rate=100r\/s/, 'rate=1r/m']],
    args: (path, folder) => ['-p', folder, '-c', path, '-e', 'stderr'],
    configOf: (lines, folder, port, service) => `
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
        ${lines.replace('listen 8080;', `listen 127.0.0.1:${port};`).replace('http://127.0.0.1:3000', service)}
      }`,
  },
  {
    command: 'haproxy',
    language: '',
    slower: [[/expire 10s store http_req_rate\(10s\)/, 'expire 1h store http_req_rate(1h)']],
    args: (path) => ['-db', '-f', path],
    configOf: (lines, _folder, port, service) => `
defaults
  mode http
  timeout connect 1s
  timeout client 40s
  timeout server 60s
frontend public
  bind 127.0.0.1:${port}
${lines}
  default_backend replicas
backend replicas
  server visage ${new URL(service).host}
`,
  },
];

/** The lines of a block in the section about reads. */
async function documented(language: string): Promise<string> {
  const text = await readFile('docs/deploying.md', 'utf8');
  const section = /^## Limits of reads\n(.*?)^## /ms.exec(text)?.[1] ?? '';
  const blocks = [...section.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  return blocks.find(([, name]) => name === language)?.[2] ?? '';
}

describe.each(PROXIES)(
  'the limit of reads in docs/deploying.md',
  ({ command, language, slower, args, configOf }) => {
    needs(command)(`for ${command}`, () => {
      let folder: string;
      let service: RunningService;
      let proxy: ChildProcess;
      let ended: Promise<unknown>;
      let url: string;

      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), 'visage-read-limits-'));
        service = await startService(await local.environment());
        const lines = slower.reduce(
          (text, [pattern, slow]) => {
            if (!pattern.test(text)) throw new Error(`the lines for ${command} have no ${pattern.source}`);
            return text.replace(pattern, slow);
          },
          await documented(language),
        );
        const port = await freePort();
        const path = join(folder, 'proxy.conf');
        await writeFile(path, configOf(lines, folder, port, service.url));
        let output = '';
        proxy = spawn(command, args(path, folder), { stdio: ['ignore', 'ignore', 'pipe'] });
        proxy.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
        ended = once(proxy, 'close');
        while (!(await listens(port))) {
          if (proxy.exitCode !== null) throw new Error(`${command} ended:\n${output}`);
          await sleep(20);
        }
        url = `http://127.0.0.1:${port}`;
      });
      afterAll(async () => {
        proxy.kill();
        await ended;
        await service.stop();
        await rm(folder, { recursive: true });
      });

      it('lets the reads of a page pass, refuses a flood of them with 429, and counts no writes', async () => {
        const client = new AvatarClient(url, 'alice');
        const image = await numbered(0);
        const read = () => client.get('/exists');
        for (let done = 0; done < AT_ONCE / 2; done += 50) {
          const page = await Promise.all(Array.from({ length: 50 }, read));
          expect(new Set(page.map(({ status }) => status))).toEqual(new Set([200]));
        }
        const flood = await Promise.all(Array.from({ length: AT_ONCE }, read));
        const refused = flood.find(({ status }) => status !== 200);
        if (!refused) throw new Error('nothing was refused');
        expect(jsonOf(refused)).toMatchObject({ status: refused.status, code: 'rate_limited' });
        expect(refused.status).toBe(429);
        expect(refused.headers).toMatchObject({
          'content-type': 'application/problem+json',
          'cache-control': 'no-store',
          'retry-after': expect.stringMatching(/^\d+$/) as string,
        });
        expect((await send(url, { method: 'HEAD', path: '/v1/avatars/bob' })).status).toBe(429);
        expect((await client.upload(image)).status).toBe(201);
      });
    });
  },
);
