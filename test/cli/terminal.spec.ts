import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { LocalStore } from '../../src/storage/local/local.store.js';
import { putAvatar, sample } from './support/avatars.js';
import { visage } from './support/program.js';

/** As it is installed. All other tests start the bundle of the same code, which is up sooner. */
const PROGRAM = resolve('dist/cli/main.js');

// They run beside each other.
const it = test.concurrent;

describe('the command line', () => {
  it('shows a bar on a terminal, and none where standard error is a file', async () => {
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

  it('tells its commands and its exit codes', async () => {
    const { code, stdout } = await visage({}, '--help');
    expect(code).toBe(0);
    for (const name of ['migrate', 'import', 'erase', 'verify', 'gc', 'Exit codes:'])
      expect(stdout).toContain(name);
  });

  it.each([[[]], [['fly']], [['gc', '--fast']], [['verify', 'extra']]])(
    'refuses %j with exit code 2',
    async (parameters) => {
      expect(await visage({}, ...parameters)).toMatchObject({ code: 2, stdout: '' });
    },
  );
});
