import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { behindProxy } from '../support/behind-proxy.js';
import { local } from '../support/local.js';
import { environmentOf } from '../support/patience.js';
import { createBucket } from '../support/s3.js';
import { startS3rver } from '../support/s3rver.js';
import { type Environment, startProcess } from '../support/service.js';

interface Package {
  scripts: Record<string, string>;
}

describe('a start', () => {
  it('with a folder that cannot be created: listens, is not ready, and names the cause', async () => {
    // A parent that takes no folders, which Node's own recursive mkdir tries again for ever.
    const service = await startProcess({ STORAGE_LOCAL_PATH: '/proc/x' });
    expect(service.log()).toMatch(/the storage cannot be used/);
    expect(service.log()).toContain("mkdir '/proc/x'");
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(503);
    expect(await service.stop()).toBe(0);
  });

  it('has no notice of the AWS SDK about Node in its log', async () => {
    const service = await startProcess({
      STORAGE_BACKEND: 's3',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      NODE_NO_WARNINGS: '',
    });
    expect(await service.stop()).toBe(0);
    expect(service.log()).not.toMatch(/Warning/);
  });

  it('warns of a misspelt variable', async () => {
    const service = await startProcess({ CACHE_BYTE: '1' });
    expect(service.log()).toMatch(/"level":40,.*CACHE_BYTE is not a setting of Visage.*CACHE_BYTES/);
    await service.stop();
  });

  it('logs the failures that it left out, and last of all that it stopped', async () => {
    const service = await startProcess({ STORAGE_LOCAL_PATH: '/proc/x' });
    for (let i = 0; i < 3; i++) expect((await fetch(`${service.url}/v1/avatars/a`)).status).toBe(503);
    expect(await service.stop()).toBe(0);
    const lines = service.log().trim().split('\n');
    expect(lines.at(-2)).toContain('more requests failed like this one');
    expect(lines.at(-1)).toContain('"msg":"stopped"');
    // Causes follow one another in one sentence.
    expect(service.log()).toMatch(/Try again (?:later|shortly): /);
  });

  describe('on a bucket that ignores conditional writes, with STORAGE_REQUIRE_CONDITIONAL_WRITES=true', () => {
    let server: Awaited<ReturnType<typeof startS3rver>>;
    let environment: Environment;
    beforeAll(async () => {
      server = await startS3rver();
      environment = {
        STORAGE_BACKEND: 's3',
        STORAGE_S3_ENDPOINT: server.endpoint,
        STORAGE_S3_BUCKET: await createBucket(server),
        STORAGE_S3_ACCESS_KEY_ID: server.accessKeyId,
        STORAGE_S3_SECRET_ACCESS_KEY: server.secretAccessKey,
        STORAGE_S3_USE_PATH_STYLE: 'true',
        STORAGE_REQUIRE_CONDITIONAL_WRITES: 'true',
        CONSTANT_HEALTH_MAX_AGE_MS: '0',
      };
    });
    afterAll(() => server.stop());

    it('ends with code 1, and says in one line why and what to do', async () => {
      const failed: unknown = await startProcess(environment).catch((error: unknown) => error);
      expect(String(failed)).toMatch(/the service ended with 1:/);
      expect(String(failed)).toMatch(
        /"level":60,.*"msg":"STORAGE_REQUIRE_CONDITIONAL_WRITES is set, and bucket .* ignores .*: use a server .* ONE replica only"/,
      );
      expect(String(failed)).not.toContain('"stack"');
    });

    it('never becomes ready if the bucket was away when it started', async () => {
      const { proxy, environment: behind } = await behindProxy(environment);
      await proxy.stop();
      const service = await startProcess(behind);
      await proxy.resume();
      const readiness = async () => {
        const answer = await fetch(`${service.url}/health/ready`);
        const { status, storage } = (await answer.json()) as { status: string; storage: object };
        return { code: answer.status, status, storage };
      };
      for (let i = 0; i < 2; i++)
        expect(await readiness()).toMatchObject({
          code: 503,
          status: 'unavailable',
          storage: { reachable: true, conditionalWrites: 'emulated' },
        });
      // It is logged after the look at the storage that the answer tells of.
      await service.logged(/This replica does not become ready/);
      expect(await service.stop()).toBe(0);
      await proxy.stop();
    });
  });

  it('listens at one address of localhost: Fastify would open others without our limits', async () => {
    const patch = `import dns from 'node:dns'; const { lookup } = dns; dns.lookup = (name, options, done) =>
      name === 'localhost' && options.all
        ? done(null, ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })))
        : lookup(name, options, done);`;
    const service = await startProcess({
      ...(await local.environment()),
      HOST: 'localhost',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(patch)}`,
    });
    expect(service.log().match(/Server listening/g)).toHaveLength(1);
    await service.stop();
  });

  it('says in one line, without a stack, that its port is taken', async () => {
    const service = await startProcess(await local.environment());
    const { port } = new URL(service.url);
    const failed: unknown = await startProcess({ PORT: port }).catch((error: unknown) => error);
    expect(String(failed)).toContain(`PORT ${port} is taken: stop what uses it, or set PORT to another`);
    expect(String(failed)).not.toContain('"stack"');
    await service.stop();
  });
});

describe('the program of the service', () => {
  const start = async (...parameters: string[]) => {
    const line = [resolve('dist/test/main.js'), ...parameters];
    const child = spawn(process.execPath, line, { env: environmentOf({ PORT: '0' }) });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  };

  it.each(['--help', 'verify'])(
    'starts no service with the argument %s, and says where to look',
    async (argument) => {
      const { code, output } = await start(argument);
      expect(code).toBe(2);
      expect(output).toMatch(/^The service takes no arguments.*\.env\.example.*\n$/);
    },
  );

  it('prints its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await start('--version')).toEqual({ code: 0, output: `${version}\n` });
  });
});

describe('npm start', () => {
  it('ends with the service, and lets it finish its requests', async () => {
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
      // Not its exit, after which output may still be on its way.
      const closed = once(npm, 'close');
      npm.kill('SIGTERM');
      await closed;
      expect(output).toContain('"msg":"stopped"');
      expect(() => process.kill(service(), 0)).toThrow('ESRCH');
    } finally {
      end(service());
    }
  });
});

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, as it should have.
  }
}
