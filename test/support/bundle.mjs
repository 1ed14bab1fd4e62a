// Starts a bundle from `dist/test` with the code that V8 compiled for it earlier.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import * as dicebear from '@dicebear/core';
import * as resvg from '@resvg/resvg-js';
import * as nativeFiles from 'fs-native-extensions';
import * as harfbuzz from 'harfbuzzjs';
import * as pino from 'pino';
import * as sharp from 'sharp';

/** Packages that stay outside the bundle: native ones, and some that CommonJS cannot require. */
export const PACKAGES = {
  '@dicebear/core': dicebear,
  '@resvg/resvg-js': resvg,
  'fs-native-extensions': nativeFiles,
  harfbuzzjs: harfbuzz,
  pino,
  sharp,
};

/** Runs the script next to a module: `main.cjs` next to `main.js`. CODE_CACHE=write also writes its compiled code there. */
export function runBundle(url) {
  const path = new URL(url.replace(/\.js$/, '.cjs'));
  const cache = new URL(url.replace(/\.js$/, '.cache'));
  const script = new Script(readFileSync(path, 'utf8'), {
    filename: path.pathname,
    ...(existsSync(cache) && { cachedData: readFileSync(cache) }),
  });
  if (process.env['CODE_CACHE'] === 'write') {
    process.once('exit', () => {
      // A cache only works with the flags that it was made with, and the service sets this one later.
      setFlagsFromString('--heap-growing-percent=0');
      writeFileSync(cache, script.createCachedData());
    });
  }
  script.runInThisContext()(createRequire(url), PACKAGES, url);
}
