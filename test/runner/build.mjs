// The build that is shipped, and beside it the same code with its packages in one file each for the service and the program:
// the tests start them some hundreds of times, and a bundle starts in little more than half the time.
import { build, stop } from 'esbuild';
import { succeed } from './processes.mjs';

/** Packages with files beside their code that they look for, or that are there or not: as they are. */
const EXTERNAL = [
  'sharp',
  '@resvg/resvg-js',
  'fs-native-extensions',
  'harfbuzzjs',
  'woff2-encoder',
  'pino',
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

export async function buildService() {
  await succeed('npm', ['run', 'build', '--silent']);
  await build({
    entryPoints: { 'test/main': 'dist/main.js', 'test/cli': 'dist/cli/main.js' },
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: EXTERNAL,
    // Names of classes are in the log.
    keepNames: true,
    // A third less to read and compile; names stay.
    minifyWhitespace: true,
    minifySyntax: true,
    logLevel: 'error',
    // Packages in CommonJS ask for Node's own modules by require.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
    },
  });
  await stop();
}
