// Finds out from their imports what the chosen tests need, so that a test of a pure function does not wait for a build or a server.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const IMPORT = /(?:from|import)\s*\(?\s*'(\.[^']+)'/g;
const TOOL = /\bneeds\('([^']+)'\)/g;

const S3 = resolve('test/support/s3.ts');
const BUILT = /'dist\//;

/**
 * @param {string[]} specs paths of test files
 * @returns {{ s3: boolean, build: boolean, tools: string[] }}
 */
export function needsOf(specs) {
  const files = importsOf(specs);
  const tools = [...files.values()].flatMap((text) => [...text.matchAll(TOOL)].map(([, name]) => name));
  return {
    s3: files.has(S3),
    build: [...files.values()].some((text) => BUILT.test(text)),
    tools: [...new Set(tools)].sort(),
  };
}

/**
 * @param {string[]} specs paths of test files
 * @returns {Map<string, string>} the text of these files and of everything of ours that they import, by path
 */
export function importsOf(specs) {
  const files = new Map();
  const open = specs.map((path) => resolve(path));
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (files.has(path)) continue;
    const text = readFileSync(path, 'utf8');
    files.set(path, text);
    for (const [, relative] of text.matchAll(IMPORT)) {
      const target = resolve(dirname(path), relative);
      const source = [target.replace(/\.js$/, '.ts'), target].find((candidate) => existsSync(candidate));
      if (source !== undefined) open.push(source);
    }
  }
  return files;
}
