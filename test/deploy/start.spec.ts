import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { environmentOf } from '../support/patience.js';

interface Package {
  scripts: Record<string, string>;
}

describe('npm start', () => {
  it('ends with the service, which it lets finish', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'visage-start-'));
    const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as Package;
    // The service is built already; all else is as users have it.
    const own = { type: 'module', scripts: { start: scripts['start'], build: 'true' } };
    await writeFile(join(folder, 'package.json'), JSON.stringify(own));
    await mkdir(join(folder, 'dist'));
    const built = pathToFileURL(resolve('dist/test/main.js')).href;
    await writeFile(join(folder, 'dist/main.js'), `import ${JSON.stringify(built)};`);

    const npm = spawn('npm', ['start'], {
      cwd: folder,
      env: environmentOf({
        PORT: '0',
        SHUTDOWN_DRAIN_MS: '0',
        HOME: folder,
        npm_config_update_notifier: 'false',
      }),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const listening = new Promise<void>((done) => {
      npm.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes('Server listening')) done();
      });
    });
    const service = () => Number(/"pid":(\d+)/.exec(output)?.[1]);
    try {
      await listening;
      const exited = once(npm, 'exit');
      npm.kill('SIGTERM');
      await exited;
      expect(output).toContain('"msg":"stopped"');
      expect(() => process.kill(service(), 0)).toThrow('ESRCH');
    } finally {
      end(service());
    }
  });
});

describe('deploy/visage.service', () => {
  it('sets the same environment as the image, apart from the address to listen on', async () => {
    const [unit, image] = await Promise.all([
      readFile('deploy/visage.service', 'utf8'),
      readFile('Dockerfile', 'utf8'),
    ]);
    const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(image) ?? [];
    const wanted = block.split(/[\s\\]+/).filter((variable) => !variable.startsWith('HOST='));
    expect(wanted).toContain('NODE_ENV=production');
    const set = [...unit.matchAll(/^Environment=(.*)$/gm)].map(([, variable]) => variable);
    expect(set).toEqual(expect.arrayContaining(wanted));
  });
});

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it should have.
  }
}
