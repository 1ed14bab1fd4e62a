/**
 * Makes clients from the description of a running service, by each generator that this machine has, and says
 * which it skipped: node tools/make-clients.mjs http://localhost:3000 FOLDER
 * Exits with 1 if one of them fails or warns.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [, , url = 'http://localhost:3000', folder = 'generated-clients'] = process.argv;

/** Generators by name: how to get them, and their arguments for a description and an empty folder. */
const GENERATORS = {
  'openapi-typescript': {
    install: 'npm install openapi-typescript',
    args: (from, to) => [from, '--output', join(to, 'visage.ts')],
  },
  ogen: {
    install: 'go install github.com/ogen-go/ogen/cmd/ogen@latest',
    args: (from, to) => ['--config', 'tools/clients/ogen.yml', '--target', to, '--package', 'visage', from],
  },
  'oapi-codegen': {
    install: 'go install github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@latest',
    args: (from, to) => [
      '-generate',
      'types,client',
      '-package',
      'visage',
      '-o',
      join(to, 'visage.go'),
      from,
    ],
  },
  'openapi-python-client': {
    install: 'pip install openapi-python-client',
    args: (from, to) => [
      ...['generate', '--meta', 'none', '--overwrite', '--path', from, '--output-path', to],
      ...['--config', 'tools/clients/openapi-python-client.yml'],
    ],
  },
};

const answer = await fetch(new URL('docs-json', `${url.replace(/\/$/, '')}/`));
if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}`);
const description = join(folder, 'visage.json');
mkdirSync(folder, { recursive: true });
writeFileSync(description, await answer.text());

const PATH = `node_modules/.bin:${process.env.PATH}`;
for (const [name, { install, args }] of Object.entries(GENERATORS)) {
  const to = join(folder, name);
  mkdirSync(to, { recursive: true });
  const made = spawnSync(name, args(description, to), { encoding: 'utf8', env: { ...process.env, PATH } });
  if (made.error?.code === 'ENOENT') {
    console.log(`${name}: skipped, since it is not here. To have it: ${install}`);
    continue;
  }
  if (made.error) throw made.error;
  const said = `${made.stdout}${made.stderr}`;
  const warnings = said.split('\n').filter((line) => /warn|skipp|unable/i.test(line));
  console.log(`${name}: ${linesIn(to)} lines, status ${made.status}, ${warnings.length} warnings`);
  if (made.status !== 0) console.log(said);
  for (const warning of warnings) console.log(`  ${warning}`);
  if (made.status !== 0 || warnings.length > 0) process.exitCode = 1;
}

function linesIn(directory) {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  return files.reduce(
    (sum, { parentPath, name }) => sum + readFileSync(join(parentPath, name), 'utf8').split('\n').length,
    0,
  );
}
