// `--changed`: the tests that a change touches.
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { importsOf } from './needs.mjs';
import { succeed } from './processes.mjs';

/** Which folders of `test` are about a folder of `src`, unless it has the same name. The empty one is the root. */
const ABOUT = { '': ['e2e', 'http'], api: ['http'], server: ['http'], uploads: ['http'], model: ['avatars'] };

/**
 * Chooses the test files that have changed, that import a changed file, or that are in the folder about the folder of a changed file.
 * Others may notice a change too: run everything before you land it.
 * @param {string} since a commit; `HEAD` for what is not committed yet
 * @returns {Promise<string[]>} paths of test files
 */
export async function changedTests(since) {
  const git = async (...parameters) =>
    (await succeed('git', parameters, { quiet: true })).split('\n').filter((line) => line !== '');
  const changed = [
    ...(await git('diff', '--name-only', '--relative', since)),
    ...(await git('ls-files', '--others', '--exclude-standard')),
  ];
  const paths = new Set(changed.map((path) => resolve(path)));
  const folders = changed.flatMap((path) => {
    const [, folder] = /^src\/(?:([^/]+)\/)?/.exec(path) ?? [];
    return path.startsWith('src/') ? (ABOUT[folder ?? ''] ?? [folder]) : [];
  });
  return readdirSync('test', { recursive: true, encoding: 'utf8' })
    .map((path) => join('test', path))
    .filter((path) => path.endsWith('.spec.ts') && existsSync(path))
    .filter(
      (path) =>
        folders.some((folder) => path.startsWith(`test/${folder}/`)) ||
        [...importsOf([path]).keys()].some((imported) => paths.has(imported)),
    );
}
