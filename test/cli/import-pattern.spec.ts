import { mkdir, mkdtemp, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { parsePattern } from '../../src/cli/import-pattern.js';
import { apply } from '../../src/model/intents.js';
import { manifestKey } from '../../src/model/keys.js';
import { readManifest, writeManifest } from '../../src/model/manifest-format.js';
import { emptyManifest } from '../../src/model/manifest.js';
import { numbered } from '../support/avatar-client.js';
import { backends, openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { fc } from '../support/properties.js';
import { s3Client, testS3 } from '../support/s3.js';
import { SECOND_MS, bytesOf, checksums } from './support/avatars.js';
import { reportOf, visage } from './support/program.js';

interface Facts {
  imported: number;
  unchanged: number;
  surplus: number;
  refused: number;
  older: number;
  unmatched: number;
  unfinished?: string;
}

// They run beside each other.
const it = test.concurrent;

/** Pictures are read from where they are written to: from a folder into a folder, from a bucket into itself. */
describe.each(backends)('import by a pattern, on $name', (backend) => {
  const setUp = async () => {
    const environment = await backend.environment();
    const folder = await mkdtemp(join(tmpdir(), 'visage-pattern-'));
    const { STORAGE_S3_BUCKET: Bucket } = environment;
    const client = Bucket !== undefined && testS3 ? s3Client(testS3) : undefined;
    const put = async (key: string, content: Buffer | string, minutesAgo = 0) => {
      const bytes = Buffer.from(content);
      if (client) {
        await client.send(new PutObjectCommand({ Bucket, Key: key, Body: bytes }));
        return key;
      }
      const path = join(folder, key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, bytes);
      const at = new Date(Date.now() - minutesAgo * 60_000);
      await utimes(path, at, at);
      return path;
    };
    const store = openBackend(environment);
    return {
      environment,
      store,
      put,
      /** Lets what follows be newer than all before. A folder has times of its own. */
      later: () => sleep(client ? SECOND_MS : 0),
      take: (pattern: string, ...more: string[]) =>
        reportOf<Facts>(
          environment,
          'import',
          ...(client ? ['--from', 's3'] : [folder]),
          '--pattern',
          pattern,
          ...more,
        ),
      manifestOf: async (id: string) => readManifest(id, await bytesOf(store, manifestKey(id))),
    };
  };

  it('takes the newest picture of each id, names each bad one, and changes nothing when it runs again', async () => {
    const { environment, store, put, later, take, manifestOf } = await setUp();
    environment['AVATAR_MAX_SIZE_BYTES'] = '5000';
    for (let i = 0; i < 30; i++) await put(`users/user-${i}/avatar.png`, await numbered(i), 30);
    const newest = await numbered(100);
    await later();
    await put('users/user-1/avatar.jpeg', newest, 10);
    await put('users/user-2/avatar.a ü+(1).png', newest, 10);
    await put('users/user-2/banner.png', await numbered(7));
    await put('users/user-2/old/avatar.png', await numbered(8));
    await put('others/user-1/avatar.png', await numbered(9));
    const bad = [
      `${await put('users/a%40b/avatar.png', await numbered(1))} invalid_id`,
      `${await put('users/lookup/avatar.png', await numbered(1))} invalid_id`,
      `${await put('users/text/avatar.png', 'no picture')} unsupported_image`,
      `${await put('users/empty/avatar.png', '')} empty_file`,
      `${await put('users/huge/avatar.png', Buffer.alloc(5001))} upload_too_large`,
      `${await put('users/erased/avatar.png', await numbered(2), 20)} avatar_erased`,
    ].sort();
    await put('users/again/avatar.png', await numbered(3));
    // In minutes from now. The store itself says when its objects are made.
    const erasures = { erased: backend.name === 'local' ? -10 : 10, again: -10 };
    for (const [id, minutes] of Object.entries(erasures)) {
      const at = new Date(Date.now() + minutes * 60_000).toISOString();
      const gone = apply(emptyManifest(id), { type: 'erase', at }, 10);
      await store.store(manifestKey(id), writeManifest(gone));
    }

    const before = await checksums(store);
    const dry = await take('users/{id}/avatar.*', '--dry-run');
    const counts = { code: 1, imported: 31, unchanged: 0, surplus: 0, refused: 6, older: 2 };
    expect(dry).toMatchObject(counts);
    expect(told(dry.findings)).toEqual(bad);
    expect(await checksums(store)).toEqual(before);

    const first = await take('users/{id}/avatar.*');
    expect(first).toMatchObject(counts);
    expect(told(first.findings)).toEqual(bad);
    const colors = await Promise.all(
      ['user-1', 'user-2', 'user-3'].map(async (id) => (await manifestOf(id)).versions),
    );
    expect(colors.map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(colors[0]?.[0]?.source).toBe(colors[1]?.[0]?.source);
    expect(colors[2]?.[0]?.source).not.toBe(colors[1]?.[0]?.source);
    const after = await checksums(store);
    expect(await take('users/{id}/avatar.*')).toMatchObject({ imported: 0, unchanged: 31, refused: 6 });
    expect(await checksums(store)).toEqual(after);
    expect(await reportOf(environment, 'verify')).toMatchObject({ findings: [] });
  });

  it('leaves a later upload current, and takes a picture that has changed in the source', async () => {
    const { put, later, take, manifestOf, environment } = await setUp();
    await put('x/alice.png', await numbered(1), 30);
    await put('x/bob.png', await numbered(2), 30);
    const list = await mkdtemp(join(tmpdir(), 'visage-list-'));
    await later();
    await writeFile(join(list, '3.png'), await numbered(3));
    await writeFile(join(list, 'list.csv'), 'alice,3.png\n');
    expect(await reportOf(environment, 'import', join(list, 'list.csv'))).toMatchObject({ code: 0 });
    const { current } = await manifestOf('alice');
    expect(await take('x/{id}.png')).toMatchObject({ code: 0, imported: 2 });
    expect(await manifestOf('alice')).toMatchObject({ current, versions: { length: 2 } });

    const { current: old } = await manifestOf('bob');
    await later();
    await put('x/bob.png', await numbered(4), 10);
    expect(await take('x/{id}.png')).toMatchObject({ code: 0, imported: 1, unchanged: 1 });
    const { versions, current: now } = await manifestOf('bob');
    expect(versions.map(({ version }) => version)).toEqual([now, old]);
  });

  it('ends with exit code 1 and says so if nothing matches', async () => {
    const { put, take } = await setUp();
    await put('users/alice.png', await numbered(1));
    const report = await take('users/{id}/avatar.*');
    expect(report).toMatchObject({ code: 1, imported: 0, findings: [] });
    expect(report.unfinished).toMatch(/matches nothing/);
  });
});

describe('import by a pattern', () => {
  it.each([['users/*.png'], ['{id}/{id}.png'], ['**/{id}.png']])(
    'refuses the pattern %s with exit code 2',
    async (pattern) => {
      expect(await visage({}, 'import', '.', '--pattern', pattern)).toMatchObject({ code: 2, stdout: '' });
    },
  );

  it('needs a folder on this machine', async () => {
    expect(await visage({}, 'import', '--pattern', '{id}.png')).toMatchObject({ code: 2, stdout: '' });
    expect(await visage({}, 'import', process.execPath, '--pattern', '{id}.png')).toMatchObject({ code: 2 });
  });

  it('refuses a picture from the future, and leaves hidden files out', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'visage-pattern-'));
    for (const name of ['alice.png', '.alice.png']) await writeFile(join(folder, name), await numbered(1));
    const ahead = new Date(Date.now() + 2 * 86_400_000);
    await utimes(join(folder, 'alice.png'), ahead, ahead);
    const report = await takenFrom(folder, '{id}.png');
    expect(report).toMatchObject({ code: 1, imported: 0, unmatched: 0 });
    expect(told(report.findings)).toEqual([`${join(folder, 'alice.png')} invalid_time`]);
  });
});

describe('import by a pattern from a folder', () => {
  it('names what matches and cannot be read, and takes the rest', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'visage-pattern-'));
    const at = (name: string) => join(folder, name);
    const notUtf8 = (extension: string) =>
      Buffer.concat([Buffer.from(at('b')), Buffer.from([0xff]), Buffer.from(extension)]);
    for (const path of [at('a.png'), notUtf8('.png'), notUtf8('.txt')])
      await writeFile(path, await numbered(1));
    await symlink('loop.png', at('loop.png'));
    await symlink('nowhere', at('dangling.png'));
    await symlink('/dev/null', at('device.png'));
    await symlink('a.png', at('link.png'));
    await mkdir(at('folder.png'));
    await symlink('nowhere', at('other.txt'));
    const report = await takenFrom(folder, '{id}.png');
    expect(report).toMatchObject({ code: 1, imported: 2, refused: 4, unmatched: 3 });
    const unreadable = ['b\ufffd.png', 'dangling.png', 'device.png', 'loop.png'];
    expect(told(report.findings)).toEqual(unreadable.map((name) => `${at(name)} file_unreadable`).sort());
  });

  it('looks into folders whose names can be read, and needs none', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'visage-pattern-'));
    await mkdir(Buffer.concat([Buffer.from(join(folder, 'u')), Buffer.from([0xff])]));
    await mkdir(join(folder, 'empty'));
    const report = await takenFrom(folder, '{id}/a.png');
    expect(told(report.findings)).toEqual([`${join(folder, 'u\ufffd')} file_unreadable`]);
    expect(report).toMatchObject({ unmatched: 1 });
  });
});

describe('a pattern', () => {
  it('fits or not at once, however many * it has', () => {
    const { idOf } = parsePattern(`${'*a'.repeat(20)}{id}${'*a'.repeat(20)}b`);
    expect(idOf('a'.repeat(1000))).toBeUndefined();
    expect(idOf(`${'a'.repeat(1000)}b`)).toHaveLength(960);
  });

  const text = fc.string({
    unit: fc.constantFrom('a', 'b', '.', '-', '/', '\n', '$', '(', '[', '|', 'ü'),
    maxLength: 4,
  });
  const piece = fc.oneof(text, fc.constant('*'));
  const pattern = fc
    .tuple(fc.array(piece, { maxLength: 5 }), fc.array(piece, { maxLength: 5 }))
    .map(([before, after]) => [...before, '{id}', ...after].join('').replace(/\*+/g, '*'));
  const place = fc.string({
    unit: fc.constantFrom('a', 'b', '.', '-', '/', '\n', '$', '(', 'ü'),
    maxLength: 10,
  });

  it('finds the longest of all ids that fit, and none if none fits', () => {
    fc.assert(
      fc.property(pattern, place, (written, where) => {
        const ids = idsThatFit(written, where).sort((a, b) => b.length - a.length);
        expect(parsePattern(written).idOf(where)?.length).toBe(ids[0]?.length);
        expect([undefined, ...ids]).toContain(parsePattern(written).idOf(where));
      }),
      { numRuns: 2000 },
    );
  });

  it('fits what is written by it, begins with its prefix, and fits folder by folder', () => {
    const filling = fc.string({ unit: fc.constantFrom('a', '.', '{', '*', '\n', '~'), maxLength: 3 });
    fc.assert(
      fc.property(pattern, fc.array(filling, { minLength: 12, maxLength: 12 }), (written, fillings) => {
        let i = 0;
        const where = written.replace(
          /\*|\{id\}/g,
          (part) => (part === '*' ? '' : 'x') + (fillings[i++ % 12] ?? ''),
        );
        const { prefix, segments, idOf } = parsePattern(written);
        expect(idOf(where)).toBeDefined();
        expect(where.startsWith(prefix)).toBe(true);
        const names = where.split('/');
        expect(names).toHaveLength(segments.length);
        for (const [n, segment] of segments.entries()) {
          expect(typeof segment === 'string' ? segment === names[n] : segment(names[n] ?? '')).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  /** Tries every way in which a pattern can fit, by its definition. */
  function idsThatFit(written: string, where: string): string[] {
    if (written === '') return where === '' ? [''] : [];
    const [, wild, rest] = /^(\*|\{id\})(.*)$/s.exec(written) ?? [];
    if (wild === undefined || rest === undefined) {
      return where.startsWith(written.charAt(0)) ? idsThatFit(written.slice(1), where.slice(1)) : [];
    }
    const found: string[] = [];
    for (let end = wild === '*' ? 0 : 1; end <= where.length && !where.slice(0, end).includes('/'); end++) {
      for (const id of idsThatFit(rest, where.slice(end)))
        found.push(wild === '*' ? id : where.slice(0, end));
    }
    return [...new Set(found)];
  }
});

/** Imports from a folder into a new storage. */
async function takenFrom(folder: string, pattern: string) {
  return reportOf<Facts>(await local.environment(), 'import', folder, '--pattern', pattern);
}

function told(findings: readonly { code: string; where: string }[]): string[] {
  return findings.map(({ code, where }) => `${where} ${code}`).sort();
}
