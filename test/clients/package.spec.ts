import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';
import { packageAt } from '../support/packages.js';

const FOLDER = 'clients/typescript';

describe('the package @visage/client', () => {
  let application: string;
  let packed: string;

  beforeAll(() => {
    application = mkdtempSync(join(tmpdir(), 'visage-client-'));
    const output = execFileSync('npm', ['pack', '--json', '--pack-destination', application], {
      cwd: FOLDER,
      encoding: 'utf8',
    });
    const [{ filename = '' } = {}] = JSON.parse(output.slice(output.indexOf('['))) as { filename?: string }[];
    packed = join(application, 'node_modules/@visage/client');
    mkdirSync(packed, { recursive: true });
    execFileSync('tar', ['-xzf', join(application, filename), '-C', packed, '--strip-components=1']);
  });
  afterAll(() => {
    rmSync(application, { recursive: true });
  });

  const run = (file: string, source: string) => {
    writeFileSync(join(application, file), source);
    const { stdout, stderr } = spawnSync(process.execPath, [file], { cwd: application, encoding: 'utf8' });
    return stdout + stderr;
  };

  it('is at most 6 kB for a browser', () => {
    const { code } = transformSync(readFileSync(join(packed, 'dist/index.js'), 'utf8'), { minify: true });
    expect(gzipSync(code).length).toBeLessThanOrEqual(6000);
  });

  const USE = `console.log(new Visage({ baseUrl: 'http://v/' }).src({ id: 'a@b', size: 32, name: "O'Li" }));`;
  const SAID = 'http://v/v1/avatars/a%40b?size=32&default=initials&name=O%27Li\n';

  it('is imported by modules', () => {
    expect(run('a.mjs', `import { Visage } from '@visage/client'; ${USE}`)).toBe(SAID);
  });

  it('is required by CommonJS', () => {
    expect(run('a.cjs', `const { Visage } = require('@visage/client'); ${USE}`)).toBe(SAID);
  });

  const MODULES = ['a.mts', 'a.cts'];
  const ours = () => resolve('node_modules/typescript');

  it.each([
    ['modules of Node', 'node16', 'node16', MODULES, ours],
    [
      'modules of Node, for TypeScript 5.6',
      'node16',
      'node16',
      MODULES,
      () => packageAt('typescript', '5.6.3'),
    ],
    ['bundlers', 'bundler', 'esnext', ['a.ts'], ours],
  ])('has types for %s', (_, moduleResolution, module, files, typescript) => {
    const source = `
      import { Visage, VisageError, type Version } from '@visage/client';
      const visage = new Visage({ baseUrl: 'http://v', key: 'k' });
      export async function save(request: Request): Promise<Version | string> {
        try {
          return await visage.upload('alice', request, { crop: { x: 0, y: 0, width: 9, height: 9 } });
        } catch (error) {
          if (error instanceof VisageError && error.forUsers !== undefined) return error.forUsers;
          throw error;
        }
      }
      // @ts-expect-error There is no such field.
      void visage.lookup({ id: ['a'] });
    `;
    for (const file of files) writeFileSync(join(application, file), source);
    const options = ['--moduleResolution', moduleResolution, '--module', module, '--target', 'es2022'];
    const where = ['--strict', '--noEmit', '--lib', 'es2022,dom'];
    const compiler = join(typescript(), 'bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, ...options, ...where, ...files], {
      cwd: application,
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});
