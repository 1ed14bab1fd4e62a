// Makes `web/dist/visage.js`, the module that pages load from /ui/visage.js, and a module for each language that it loads.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
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

export function buildElement() {
  return build({
    entryPoints: [at('src/visage.ts')],
    outdir: at('dist'),
    bundle: true,
    // Names without a hash: during a rolling upgrade, a page asks old and new replicas.
    splitting: true,
    chunkNames: '[name]',
    minify: true,
    format: 'esm',
    target: BROWSERS,
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [sheets],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildElement();
