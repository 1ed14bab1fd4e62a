// The build that is shipped, and beside it the same code in a form that starts in half the time: the tests start the service
// and the program some four hundred times.
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { build, stop } from 'esbuild';
import { PACKAGES } from '../support/bundle.mjs';
import { run, succeed } from './processes.mjs';

const FOLDER = 'dist/test';

/** Packages with files beside their code that they look for, or that are there or not: as they are. */
const EXTERNAL = [
  'swagger-ui-dist',
  '@fastify/static',
  '@fontsource-variable/*',
  '@dicebear/*',
  // Nest asks for these, and takes it that they are missing.
  'class-transformer/storage',
  '@nestjs/websockets',
  '@nestjs/websockets/*',
  '@nestjs/microservices',
  '@nestjs/microservices/*',
  '@nestjs/platform-express',
  '@fastify/multipart',
  '@fastify/view',
];

/**
 * Makes `dist/test/main.js`, the service, and `dist/test/cli.js`, the program.
 * @param {string} folder an empty one, where both are started once
 */
export async function buildService(folder) {
  await succeed('npm', ['run', 'build', '--silent']);
  await bundle('main', './dist/main.js');
  await bundle('cli', './dist/cli/main.js');
  await stop();
  await writeCodeCache('cli', ['--help'], folder, {});
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  // All is made, and then it ends, since its port is taken.
  await writeCodeCache('main', [], folder, { HOST: '127.0.0.1', PORT: String(taken.address().port) });
  taken.close();
}

/** As one script: V8 keeps the code of functions that have run for scripts, and not for modules. */
async function bundle(name, entry) {
  await build({
    entryPoints: { [name]: entry },
    outdir: FOLDER,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'iife',
    external: EXTERNAL,
    plugins: [handedIn, oneClassValidator],
    define: { 'import.meta.url': 'url' },
    banner: { js: "(function (require, packages, url) { 'use strict';" },
    footer: { js: '})' },
    // A script with a cache cannot import, without a flag.
    supported: { 'dynamic-import': false },
    // Names of classes are in the log.
    keepNames: true,
    // A third less to read and compile; names stay.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'error',
  });
  const module = "import { runBundle } from '../../test/support/bundle.mjs';\nrunBundle(import.meta.url);\n";
  writeFileSync(join(FOLDER, `${name}.js`), module);
}

const handedIn = {
  name: 'packages that are handed in',
  setup({ onResolve, onLoad }) {
    const namespace = 'handed-in';
    onResolve({ filter: /./ }, ({ path }) =>
      Object.hasOwn(PACKAGES, path) ? { path, namespace } : undefined,
    );
    onLoad({ filter: /./, namespace }, ({ path }) => {
      const names = Object.keys(PACKAGES[path]).filter((name) => name !== 'module.exports');
      const lines = names.map((name) =>
        name === 'default'
          ? `export default packages['${path}'].default;`
          : `export const ${name} = packages['${path}'].${name};`,
      );
      return { contents: lines.join('\n') };
    });
  },
};

/** Nest requires it from where its own code lies, which would load it a second time. */
const oneClassValidator = {
  name: 'one class-validator',
  setup({ onLoad }) {
    onLoad({ filter: /mapped-types.dist.type-helpers\.utils\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace('const require = createRequire(import.meta.url);', ''),
    }));
  },
};

/** Starts a bundle once, in a folder, and keeps what V8 has compiled until it ended. */
async function writeCodeCache(name, parameters, cwd, settings) {
  const env = { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', CODE_CACHE: 'write', ...settings };
  const line = [resolve(FOLDER, `${name}.js`), ...parameters];
  const { output } = await run(process.execPath, line, { cwd, env, quiet: true });
  if (!existsSync(join(FOLDER, `${name}.cache`))) throw new Error(`${name} did not start:\n${output}`);
}
