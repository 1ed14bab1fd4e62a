import { chown, mkdir, mkdtemp, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { numbered } from '../support/avatar-client.js';
import { visage } from './support/program.js';

// They run beside each other.
const it = test.concurrent;

/** Neither root nor a user that the tests run as. */
const OTHER = 65_534;

describe('commands', () => {
  it.each(['!hush', '*hush', '"hush', '{{hush}}'])(
    'print nothing of a YAML file with the secret %s',
    async (secret) => {
      const file = join(await mkdtemp(join(tmpdir(), 'visage-yaml-')), 'bad.yaml');
      await writeFile(file, `api_keys: ${secret}\n`);
      // Node's own warnings are shown, so that those of the YAML parser would be.
      const { code, stderr } = await visage({ CONFIG_FILE: file, NODE_NO_WARNINGS: '' }, 'verify');
      expect(code).toBe(2);
      expect(stderr).not.toContain('hush');
    },
  );

  it.each([
    ['verify', []],
    ['gc', ['--dry-run']],
    ['erase', ['--list', 'nowhere']],
    ['import', ['nowhere']],
  ])('refuse a misspelt STORAGE_BACKEND with exit code 2: %s', async (command, more) => {
    const ended = await visage({ STORAGE_BACKEND: 'minio' }, command, ...more);
    expect(ended).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('"minio"') as string,
    });
  });

  const commands: [name: string, ...parameters: string[]][] = [
    ['gc'],
    ['verify', '--repair'],
    ['erase', '--list', 'list.csv'],
    ['import', 'pictures.csv'],
    ['migrate', '--from', 'local', '--from-config', 'from.yaml', '--to', 'local'],
  ];

  const setUp = async () => {
    const inputs = await mkdtemp(join(tmpdir(), 'visage-inputs-'));
    const source = join(inputs, 'source');
    const target = join(inputs, 'target');
    await mkdir(source);
    await mkdir(target);
    await writeFile(join(inputs, 'list.csv'), 'alice,2026-01-31T12:00:00.000Z\n');
    await writeFile(join(inputs, 'from.yaml'), `storage: { local: { path: "${source}" } }\n`);
    await writeFile(join(inputs, '1.png'), await numbered(1));
    await writeFile(join(inputs, 'pictures.csv'), 'alice,1.png\n');
    const inputOf = (parameter: string) =>
      ['list.csv', 'pictures.csv', 'from.yaml'].includes(parameter) ? join(inputs, parameter) : parameter;
    return {
      source,
      target,
      run: (parameters: readonly string[]) =>
        visage({ STORAGE_LOCAL_PATH: target }, ...parameters.map(inputOf)),
    };
  };

  if (process.getuid?.() === 0) {
    it.each(commands)(
      "refuse root in another user's folder, which could not read its files: %s",
      async (...command) => {
        const { source, target, run } = await setUp();
        await chown(target, OTHER, OTHER);
        const { code, stdout, stderr } = await run(command);
        expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
        expect(stderr).toContain(`The folder ${target} belongs to user ${OTHER}.`);
        expect(await readdir(target)).toEqual([]);
        expect(await run([...command, '--dry-run'])).toMatchObject({ code: 0 });
        expect(await run(['verify'])).toMatchObject({ code: 0 });

        await chown(target, 0, 0);
        await chown(source, OTHER, OTHER);
        expect(await run(command)).toMatchObject({ code: 0 });
      },
    );
  } else {
    it('run as an ordinary user, who could not write to the folder of another one', async () => {
      expect((await stat(await mkdtemp(join(tmpdir(), 'visage-owner-')))).uid).toBe(process.getuid?.());
    });
  }
});
