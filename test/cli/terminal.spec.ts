import { execFile } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { LocalStore } from '../../src/storage/local/local.store.js';
import { putAvatar, sample } from './support/avatars.js';
import { visage } from './support/program.js';

/** The installed program. All other tests start the bundle of the same code, which starts faster. */
const PROGRAM = resolve('dist/cli/main.js');

// They run beside each other.
const it = test.concurrent;

describe('the command line', () => {
  it('shows a bar on a terminal, and none if standard error is a file', async () => {
    const path = await mkdtemp(join(tmpdir(), 'visage-objects-'));
    await putAvatar(new LocalStore({ path, lockTimeoutMs: 10_000 }), 'alice', [await sample(0)]);
    const environment = {
      PATH: process.env['PATH'],
      STORAGE_LOCAL_PATH: path,
      NODE_NO_WARNINGS: '1',
      TERM: 'xterm',
    };
    // script(1) runs a command on a terminal of its own.
    const command = `"${process.execPath}" "${PROGRAM}" verify`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], {
      env: environment,
    });
    expect(stdout).toMatch(/verify \[.*\] 1\/1/);
    const { stderr } = await visage({ STORAGE_LOCAL_PATH: path }, 'verify');
    expect(stderr).toBe('');
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    expect(await visage({}, '--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it('explains an outage in one sentence with its cause, and gives stacks with --verbose only', async () => {
    const away = {
      STORAGE_BACKEND: 's3',
      STORAGE_S3_ENDPOINT: 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: 'nothing',
      STORAGE_S3_ACCESS_KEY_ID: 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: 'none',
      STORAGE_S3_TIMEOUT_MS: '1000',
      // Node's own warnings are shown, so that those of the AWS SDK would be.
      NODE_NO_WARNINGS: '',
    };
    const sentence =
      'The storage could not be used; fix the cause and run the command again: ' +
      'ECONNREFUSED: nothing answers at STORAGE_S3_ENDPOINT\n';
    expect(await visage(away, 'verify')).toMatchObject({ code: 3, stdout: '', stderr: sentence });
    const { code, stderr } = await visage(away, 'verify', '--verbose');
    expect(code).toBe(3);
    expect(stderr).toMatch(/"level":20,.*"stack":".*\n/);
    expect(stderr).toContain(sentence);
  });

  it('names a configuration file that is not there', async () => {
    const ended = await visage({}, 'migrate', '--from', 'local', '--to', 's3', '--to-config', 'nowhere.yaml');
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: 'There is no file nowhere.yaml.\n' });
    const { code, stderr } = await visage({ CONFIG_FILE: 'nowhere.yaml' }, 'verify');
    expect([code, stderr]).toEqual([
      2,
      'The settings cannot be used:\n  - CONFIG_FILE names nowhere.yaml, and there is no such file.\n',
    ]);
  });

  it('lists its commands and its exit codes', async () => {
    const { code, stdout } = await visage({}, '--help');
    expect(code).toBe(0);
    for (const name of ['doctor', 'migrate', 'import', 'erase', 'verify', 'gc', 'Exit codes:'])
      expect(stdout).toContain(name);
  });

  it.each([[[]], [['fly']], [['gc', '--fast']], [['verify', 'extra']]])(
    'refuses %j with exit code 2',
    async (parameters) => {
      expect(await visage({}, ...parameters)).toMatchObject({ code: 2, stdout: '' });
    },
  );
});
