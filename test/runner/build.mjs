// Builds what is shipped, without a look at its types, and the same code again in forms that start in half the time or less, because the
// tests start the service and the program some six hundred times.
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { build, stop } from 'esbuild';
import { buildWeb } from '../../web/build.mjs';
import { PACKAGES } from '../support/bundle.mjs';
import { run, succeed } from './processes.mjs';

const FOLDER = 'dist/test';

/** Not bundled: packages that read files next to their code, and optional ones. */
const EXTERNAL = [
  'swagger-ui-dist',
  '@fastify/static',
  // Nest tries these, and copes if they are missing.
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
 * Makes `dist/test/main.js`, the service, `dist/test/cli.js`, the program, and `dist/test/host.js`, which runs both again and again.
 * @param {string} folder an empty folder, in which both are started once
 */
export async function buildService(folder) {
  await succeed('npx', ['nest', 'build', '--path', 'test/runner/tsconfig.json']);
  await Promise.all([
    bundle('main', './dist/main.js'),
    bundle('cli', './dist/cli/main.js'),
    bundle('host', './test/host/host.mjs', [triedOnce]),
    buildWeb(),
  ]);
  await stop();
  // A bundle looks for them next to itself.
  cpSync('dist/placeholders/assets', join(FOLDER, 'assets'), { recursive: true });
  // A command is loaded when it is run, and this one has the most code.
  await writeCodeCache('cli', ['import', '.'], folder, {});
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  // They create everything and then exit, because their port is taken.
  const settings = { HOST: '127.0.0.1', PORT: String(taken.address().port) };
  await writeCodeCache('main', [], folder, settings);
  await writeCodeCache('host', [], folder, settings);
  taken.close();
}

/** Bundles into one script: V8 caches the code of functions that have run for scripts, but not for modules. */
async function bundle(name, entry, plugins = []) {
  await build({
    entryPoints: { [name]: entry },
    outdir: FOLDER,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'iife',
    external: EXTERNAL,
    plugins: [handedIn, oneClassValidator, settable, ...plugins],
    define: { 'import.meta.url': 'url' },
    banner: { js: "(function (require, packages, url) { 'use strict';" },
    footer: { js: '})' },
    // A script with a code cache cannot import() without a flag.
    supported: { 'dynamic-import': false },
    // The log contains names of classes.
    keepNames: true,
    // Leaves a third less to read and compile, with all names.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'error',
  });
  const script = join(FOLDER, `${name}.cjs`);
  writeFileSync(script, readFileSync(script, 'utf8').replace(NAMING, CHEAP_NAMING));
  const module = "import { runBundle } from '../../test/support/bundle.mjs';\nrunBundle(import.meta.url);\n";
  writeFileSync(join(FOLDER, `${name}.js`), module);
}

/** What esbuild calls to keep a name: also for each closure, each time that it is made. Only the names of classes are ever read. */
const NAMING = 'var __name=(target,value)=>';
const CHEAP_NAMING = `${NAMING}target.prototype===void 0||target.name===value?target:`;

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

/** Nest requires it from its own folder, which would load a second copy. */
const oneClassValidator = {
  name: 'one class-validator',
  setup({ onLoad }) {
    onLoad({ filter: /mapped-types.dist.type-helpers\.utils\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace('const require = createRequire(import.meta.url);', ''),
    }));
  },
};

/** Constants are what nobody sets but a test: see `constants.mjs`. */
const settable = {
  name: 'constants by the environment',
  setup({ onResolve }) {
    const shipped = resolve('dist/config/constants.js');
    const path = resolve('test/host/constants.mjs');
    onResolve({ filter: /constants\.js$/ }, (asked) =>
      asked.importer !== path && join(asked.resolveDir, asked.path) === shipped ? { path } : undefined,
    );
  },
};

/**
 * The service tries its storage once in the life of the process. A host lives longer: it tries each server once, and for local storages each
 * folder that they are in.
 */
const triedOnce = {
  name: 'a storage is tried once',
  setup({ onLoad }) {
    onLoad({ filter: /storage.trials.try-quickly\.js$/ }, ({ path }) => ({
      contents: `${readFileSync(path, 'utf8').replace('export async function tryQuickly', 'async function tryNow')}
        const passed = new Map();
        export async function tryQuickly(store, discarded) {
          const place = store.location.replace(/^bucket \\S+ at |[^/]+$/, '');
          const result = passed.get(place) ?? (await tryNow(store, discarded));
          if (result.conditionalWritesHold && result.discardedReads === 0) passed.set(place, result);
          return result;
        }`,
    }));
  },
};

/** Starts a bundle once, and keeps the code that V8 compiled until it exited. */
async function writeCodeCache(name, parameters, cwd, settings) {
  const env = { PATH: process.env.PATH, NODE_NO_WARNINGS: '1', CODE_CACHE: 'write', ...settings };
  const line = [resolve(FOLDER, `${name}.js`), ...parameters];
  const { output } = await run(process.execPath, line, { cwd, env, quiet: true });
  if (!existsSync(join(FOLDER, `${name}.cache`))) throw new Error(`${name} did not start:\n${output}`);
}
