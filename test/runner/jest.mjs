// How Jest is called.
import { parseArgs } from 'node:util';
import { succeed } from './processes.mjs';

/** What Node is given to run Jest. */
export const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];

/** @returns {Promise<string[]>} the paths of the test files that Jest would run with these arguments */
export async function listTests(jestArguments) {
  const listed = await succeed(process.execPath, [...JEST, '--listTests', ...jestArguments], { quiet: true });
  return listed.split('\n').filter((line) => line.endsWith('.ts'));
}

/**
 * Takes `--json` and `--outputFile` out of Jest's arguments: the runner needs them itself, and `--listTests` means something else
 * by them.
 * @param {string[]} jestArguments
 * @returns {{ outputFile: string | undefined, others: string[] }}
 * @throws {Error} for `--json` alone, whose answer would be mixed with the runner's own lines
 */
export function takeOutputFile(jestArguments) {
  const { values, tokens } = parseArgs({
    args: jestArguments,
    options: { json: { type: 'boolean' }, outputFile: { type: 'string' } },
    strict: false,
    tokens: true,
  });
  const { json = false, outputFile } = values;
  if (json && outputFile === undefined) throw new Error('--json needs --outputFile=FILE');
  const taken = tokens
    .filter(({ kind, name }) => kind === 'option' && (name === 'json' || name === 'outputFile'))
    .flatMap(({ index, inlineValue }) => (inlineValue === false ? [index, index + 1] : [index]));
  return { outputFile, others: jestArguments.filter((_, index) => !taken.includes(index)) };
}
