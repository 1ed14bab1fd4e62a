// Makes `dist`: one module for `import`, the same for `require`, and types for both.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

rmSync(at('dist'), { recursive: true, force: true });
for (const [format, name] of [
  ['esm', 'index.js'],
  ['cjs', 'index.cjs'],
]) {
  await build({
    entryPoints: [at('src/index.ts')],
    outfile: at(`dist/${name}`),
    bundle: true,
    format,
    target: 'es2022',
    charset: 'utf8',
    logLevel: 'warning',
  });
}

const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const emit = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly'];
const where = ['--project', at('.'), '--rootDir', at('src'), '--outDir', at('dist')];
execFileSync(process.execPath, [compiler, ...where, ...emit], { stdio: 'inherit' });
// A `.d.ts` describes an ES module here, which TypeScript lets no CommonJS module require.
for (const name of readdirSync(at('dist')).filter((one) => one.endsWith('.d.ts'))) {
  const types = readFileSync(at(`dist/${name}`), 'utf8');
  writeFileSync(
    at(`dist/${name.replace(/\.ts$/, '.cts')}`),
    types.replaceAll(/(from '\.\/[\w-]+)\.js'/g, "$1.cjs'"),
  );
}
