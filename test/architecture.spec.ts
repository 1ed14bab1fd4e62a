import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Who may use what: a file below `src`, or a folder of it. */
const ONLY: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ['sharp', /^sharp$/, ['images/sharp/']],
  ['the AWS SDK for buckets', /^@aws-sdk\/(?!client-cloudfront$)/, ['storage/s3/']],
  ['the AWS SDK for CloudFront', /^@aws-sdk\/client-cloudfront$/, ['cdn/cloudfront.cdn.ts']],
  ['what draws pictures', /^(@resvg\/|@dicebear\/|harfbuzzjs$)/, ['placeholders/']],
  ['multer', /^multer$/, ['uploads/upload-form.ts']],
  ['jose', /^jose$/, ['access/']],
  ['what reads command lines', /^(commander|cli-progress|csv-parse)/, ['cli/']],
  [
    'fastify',
    /^fastify$/,
    [
      'app.ts',
      'http/',
      'server/',
      'ops/ops-port.ts',
      'ops/request-log.ts',
      'access/access.guard.ts',
      'access/upload-counts.ts',
      'delivery/picture-answers.ts',
      'api/public-urls.ts',
      'api/avatars/version-answers.ts',
      '.controller.ts',
    ],
  ],
  ['prom-client', /^prom-client$/, ['ops/metrics.ts']],
  ["Nest's configuration", /^@nestjs\/config$/, ['config/settings.module.ts']],
];

/**
 * Every folder of `src`, and the folders that its files may import from beside their own. Only `errors.ts`, `files.ts` and `tools/` are
 * open to all. Arrows point down: no two folders import each other, however many lie between them.
 */
const LAYERS: Record<string, readonly string[]> = {
  tools: [],
  model: [],
  config: ['model'],
  storage: ['config', 'model'],
  images: ['config', 'model'],
  placeholders: ['config', 'images', 'model'],
  http: ['config', 'model'],
  access: ['config', 'http', 'model'],
  server: ['config', 'http'],
  uploads: ['config'],
  outbox: ['config', 'model', 'storage'],
  avatars: ['config', 'images', 'model', 'outbox', 'storage', 'uploads'],
  cdn: ['avatars', 'config', 'model'],
  delivery: ['avatars', 'config', 'http', 'images', 'model', 'placeholders', 'server', 'storage'],
  api: ['access', 'avatars', 'config', 'delivery', 'http', 'model', 'uploads'],
  ui: ['access', 'config', 'http', 'model'],
  ops: [
    'access',
    'avatars',
    'cdn',
    'config',
    'delivery',
    'http',
    'images',
    'model',
    'outbox',
    'server',
    'storage',
    'uploads',
  ],
  cli: [
    'access',
    'avatars',
    'cdn',
    'config',
    'images',
    'model',
    'ops',
    'outbox',
    'placeholders',
    'storage',
    'uploads',
  ],
};

/** The root knows everything. */
const ROOT = ['main.ts', 'service.ts', 'app.ts', 'app.module.ts', 'lifecycle.ts', 'errors.ts', 'files.ts'];

interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

const files: SourceFile[] = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => {
    const text = readFileSync(join('src', path), 'utf8');
    return {
      path,
      text,
      imports: [...text.matchAll(/(?: from |\bimport\()'([^']+)'/g)].map(([, name]) => name ?? ''),
    };
  });

const within = (path: string, allowed: readonly string[]) =>
  allowed.some(
    (place) => path === place || path.startsWith(place) || (place.startsWith('.') && path.endsWith(place)),
  );

describe('the source', () => {
  it.each(ONLY)('imports %s in its own places only', (_, pattern, allowed) => {
    const importers = files
      .filter(({ imports }) => imports.some((name) => pattern.test(name)))
      .map(({ path }) => path);
    expect(importers).not.toEqual([]);
    expect(importers.filter((path) => !within(path, allowed))).toEqual([]);
  });

  it('reads process.env at the root only', () => {
    const readers = files.filter(({ text }) => text.includes('process.env')).map(({ path }) => path);
    expect(
      readers.filter((path) => !['main.ts', 'cli/main.ts', 'config/load-settings.ts'].includes(path)),
    ).toEqual([]);
  });

  it('uses private fields of Node in one file', () => {
    const PRIVATE = /_handle\b|_httpMessage|destroySoon|\w\._[a-z]/;
    const users = files.filter(({ text }) => PRIVATE.test(text)).map(({ path }) => path);
    expect(users).toEqual(['server/node-internals.ts']);
  });

  it('has a place for every file', () => {
    const strays = files
      .map(({ path }) => path)
      .filter((path) => !ROOT.includes(path) && !(folderOf(path) in LAYERS));
    expect(strays).toEqual([]);
  });

  it('imports along the layers', () => {
    const strays = files.flatMap(({ path, imports }) => {
      const allowed = [folderOf(path), 'tools', ...(LAYERS[folderOf(path)] ?? [])];
      return imports
        .filter((name) => name.startsWith('.') && !ROOT.includes(path))
        .map((name) => normalize(join(dirname(path), name)))
        .filter(
          (target) => !['errors.js', 'files.js'].includes(target) && !allowed.includes(folderOf(target)),
        )
        .map((target) => `${path} -> ${target}`);
    });
    expect(strays).toEqual([]);
  });

  it('uses every arrow of the layers, and docs/architecture.md has the same ones', () => {
    const used = Object.fromEntries(
      Object.keys(LAYERS).map((folder) => {
        const targets = files
          .filter(({ path }) => folderOf(path) === folder)
          .flatMap(({ path, imports }) =>
            imports.map((name) => folderOf(normalize(join(dirname(path), name)))),
          );
        const others = targets.filter(
          (target) => target in LAYERS && target !== folder && target !== 'tools',
        );
        return [folder, [...new Set(others)].sort()];
      }),
    );
    const rows = readFileSync('docs/architecture.md', 'utf8').matchAll(
      /^\| `(\w+)\/` +\|.*\| ([^|]+?) +\|$/gm,
    );
    const described = [...rows].map(([, folder, imports]) => [
      folder,
      imports === 'nothing' ? [] : imports?.split(', '),
    ]);
    expect(LAYERS).toEqual(used);
    expect(Object.fromEntries(described)).toEqual(used);
  });

  it('has no line of a comment with more than 110 characters', () => {
    const long = files.flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => /^\s*(\/?\*|\/\/)/.test(line) && Array.from(line).length > 110)
        .map((line) => `${path}: ${line}`),
    );
    expect(long).toEqual([]);
  });

  it('has no two folders that import each other, directly or by way of others', () => {
    const below = (folder: string, seen = new Set<string>()): Set<string> => {
      for (const next of LAYERS[folder] ?? []) if (!seen.has(next)) below(next, seen.add(next));
      return seen;
    };
    expect(Object.keys(LAYERS).filter((folder) => below(folder).has(folder))).toEqual([]);
  });

  it('has no circle of imports between the files and folders of any folder', () => {
    expect(arrowsInCircles()).toEqual([]);
  });
});

/** The imports between neighbours, files or folders of one folder, from which others lead back. */
function arrowsInCircles(): string[] {
  const next = new Map<string, Set<string>>();
  for (const { path, imports } of files) {
    for (const name of imports.filter((name) => name.startsWith('.'))) {
      const [from, to] = neighbours(path, normalize(join(dirname(path), name)).replace(/\.js$/, '.ts'));
      next.set(from, (next.get(from) ?? new Set()).add(to));
    }
  }
  const reached = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of next.get(from) ?? []) if (!seen.has(to)) reached(to, seen.add(to));
    return seen;
  };
  return [...next].flatMap(([from, all]) =>
    [...all].filter((to) => to === from || reached(to).has(from)).map((to) => `${from} -> ${to}`),
  );
}

/** The two files or folders, in the folder that both paths share, that an import leads from and to. */
function neighbours(path: string, target: string): readonly [string, string] {
  const [from, to] = [path.split('/'), target.split('/')];
  const shared = from.findIndex((part, index) => part !== to[index]);
  return [from.slice(0, shared + 1).join('/'), to.slice(0, shared + 1).join('/')];
}

/** The folder of `src` that a file is in; empty at the root. */
function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : '';
}
