import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Who may use what: a file below `src`, or a folder of it. */
const ONLY: readonly (readonly [string, RegExp, readonly string[]])[] = [
  ['sharp', /^sharp$/, ['images/sharp.pipeline.ts']],
  [
    'the AWS SDK',
    /^@aws-sdk\//,
    ['storage/s3.store.ts', 'storage/s3.conditional-writes.ts', 'storage/s3.outcome.ts'],
  ],
  ['what draws pictures', /^(@resvg\/|@dicebear\/|harfbuzzjs$|woff2-encoder)/, ['placeholders/']],
  ['multer', /^multer$/, ['http/upload.ts']],
  ['what reads command lines', /^(commander|cli-progress|csv-parse)/, ['cli/']],
  ['fastify', /^fastify$/, ['app.ts', 'http/', '.controller.ts']],
  ['prom-client', /^prom-client$/, ['ops/metrics.ts', 'ops/gauges.ts']],
  [
    "Nest's configuration",
    /^@nestjs\/config$/,
    ['config/config.module.ts', '.module.ts', 'http/api-key.guard.ts'],
  ],
];

/** Folders whose files may import from these folders only, beside their own, `errors.ts` and `spool.ts`: data flows one way. */
const LAYERS: Record<string, readonly string[]> = {
  storage: ['config'],
  images: ['config'],
  config: ['images', 'placeholders'],
  delivery: ['avatars', 'images', 'placeholders', 'storage'],
  http: ['config'],
  placeholders: ['config', 'images'],
  ops: ['config', 'images', 'outbox', 'storage'],
  outbox: ['avatars', 'config', 'images', 'storage'],
  avatars: ['config', 'delivery', 'http', 'images', 'outbox', 'placeholders', 'storage'],
  cli: ['avatars', 'config', 'delivery', 'images', 'ops', 'outbox', 'storage'],
};

interface SourceFile {
  path: string;
  text: string;
  imports: string[];
}

const files: SourceFile[] = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map((path) => {
    const text = readFileSync(join('src', path), 'utf8');
    return { path, text, imports: [...text.matchAll(/ from '([^']+)'/g)].map(([, name]) => name ?? '') };
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

  it('imports along the layers', () => {
    const strays = files.flatMap(({ path, imports }) => {
      const [layer = ''] = path.split('/');
      const allowed = LAYERS[layer];
      if (allowed === undefined) return [];
      return imports
        .filter((name) => name.startsWith('.'))
        .map((name) => normalize(join(dirname(path), name)))
        .filter(
          (target) =>
            !['errors.js', 'make-folder.js', 'remove-file.js', 'spool.js'].includes(target) &&
            !within(
              target,
              [layer, ...allowed].map((name) => `${name}/`),
            ),
        )
        .map((target) => `${path} -> ${target}`);
    });
    expect(strays).toEqual([]);
  });

  it('knows no HTTP in ports, drivers and domain', () => {
    const inner = files.filter(({ path }) =>
      /^(storage|images|delivery|placeholders)\/|^errors\.ts$|repository|service|manifest|keys|\/(aliases|lookup)\.ts$/.test(
        path,
      ),
    );
    const strays = inner.filter(({ imports }) =>
      imports.some((name) => /fastify|http\/|node:http/.test(name)),
    );
    expect(strays.map(({ path }) => path)).toEqual([]);
  });
});
