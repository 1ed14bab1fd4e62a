// How Jest is called.
import { parseArgs } from 'node:util';
import { succeed } from './processes.mjs';

/** What Node is given to run Jest. */
export const JEST = [
  '--experimental-vm-modules',
  // Each test file makes much garbage, and with more room it is collected less often: a twentieth less CPU.
  '--max-semi-space-size=64',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];

/** @returns {Promise<string[]>} the paths of the test files that Jest would run with these arguments */
export async function listTests(jestArguments) {
  const listed = await succeed(process.execPath, [...JEST, '--listTests', ...jestArguments], { quiet: true });
  return listed.split('\n').filter((line) => line.endsWith('.ts'));
}

/**
 * Takes the runner's own options out of the arguments for Jest. `--json` and `--outputFile` are among them: the runner needs them itself,
 * and `--listTests` means something else by them.
 * @param {string[]} args
 * @returns {{ outputFile: string | undefined, changed: string | undefined, recordTimes: boolean, others: string[] }} changed: the commit
 *   since which a change is looked for
 * @throws {Error} for `--json` alone, whose answer would be mixed with the runner's own lines
 */
export function takeOptions(args) {
  const { values, tokens } = parseArgs({
    args,
    options: {
      json: { type: 'boolean' },
      outputFile: { type: 'string' },
      changed: { type: 'boolean' },
      'record-times': { type: 'boolean' },
    },
    strict: false,
    tokens: true,
  });
  const { json = false, outputFile, changed } = values;
  if (json && outputFile === undefined) throw new Error('--json needs --outputFile=FILE');
  const taken = tokens
    .filter(({ kind, name }) => kind === 'option' && OWN.includes(name))
    .flatMap(({ index, inlineValue }) => (inlineValue === false ? [index, index + 1] : [index]));
  return {
    outputFile,
    // `--changed`, or `--changed=main`.
    changed: changed === true ? 'HEAD' : changed,
    recordTimes: values['record-times'] === true,
    others: args.filter((_, index) => !taken.includes(index)),
  };
}

const OWN = ['json', 'outputFile', 'changed', 'record-times'];
