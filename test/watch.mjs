// `npm run test:watch`: runs the tests that a change touches, again and again. Tests that need the build, a server or a tool are
// left to `npm test`. Arguments go to Jest: `npm run test:watch -- test/images`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { relative } from 'node:path';
import { JEST, listTests } from './runner/jest.mjs';
import { needsOf } from './runner/needs.mjs';
import { Scratch } from './runner/scratch.mjs';

const specs = await listTests([]);
const leftOut = specs.filter((spec) => {
  const { s3, build, tools } = needsOf([spec]);
  return s3 || build || tools.length > 0;
});
console.log(
  `watching ${specs.length - leftOut.length} test files; only \`npm test\` runs the other ${leftOut.length}`,
);

const scratch = new Scratch();
const ignored = ['/node_modules/', ...leftOut.map((spec) => `/${relative('.', spec)}$`)];
const parameters = [
  ...['--watch', '--roots', 'src', 'test', '--testPathIgnorePatterns', ...ignored],
  ...process.argv.slice(2),
];
const env = { ...process.env, TMPDIR: scratch.folder('tmp') };
const jest = spawn(process.execPath, [...JEST, ...parameters], { stdio: 'inherit', env });
// Jest ends itself on Ctrl-C, and the folder goes afterwards.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => jest.kill(signal));
const [code] = await once(jest, 'exit');
scratch.remove();
process.exitCode = code ?? 1;
