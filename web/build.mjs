// Makes `web/dist`: the module that pages load from /ui/visage.js, the languages that it loads, and the pages of Visage itself.
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';
import { build, transform } from 'esbuild';

/** What pages need: custom states of elements, and class fields. */
const BROWSERS = ['chrome125', 'firefox126', 'safari17.4'];

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Makes a style sheet a text without its white space. */
const sheets = {
  name: 'style sheets as text',
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const { code } = await transform(text, { loader: 'css', minify: true, target: BROWSERS });
      return { contents: code.trim(), loader: 'text' };
    });
  },
};

const OPTIONS = {
  outdir: at('dist'),
  bundle: true,
  minify: true,
  format: 'esm',
  target: BROWSERS,
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
};

/** Makes everything that browsers get, in `web/dist`, and a compressed copy of each file. */
export async function buildWeb() {
  rmSync(at('dist'), { recursive: true, force: true });
  await Promise.all([
    // Names without a hash: during a rolling upgrade, a page asks old and new replicas.
    build({
      ...OPTIONS,
      entryPoints: [at('src/visage.ts')],
      splitting: true,
      chunkNames: '[name]',
      plugins: [sheets],
    }),
    build({
      ...OPTIONS,
      entryPoints: ['edit.ts', 'play.ts', 'page.css'].map((name) => at(`src/pages/${name}`)),
    }),
  ]);
  for (const name of ['edit.html', 'play.html']) copyFileSync(at(`src/pages/${name}`), at(`dist/${name}`));
  for (const name of readdirSync(at('dist'))) {
    const zipped = gzipSync(readFileSync(at(`dist/${name}`)), { level: constants.Z_BEST_COMPRESSION });
    writeFileSync(at(`dist/${name}.gz`), zipped);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWeb();
