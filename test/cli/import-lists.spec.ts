import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCsv, readJsonLines } from '../../src/cli/import-sources.js';
import type { Entry } from '../../src/cli/importer.js';
import { fc } from '../support/properties.js';

const folder = await mkdtemp(join(tmpdir(), 'visage-lists-'));
/** A name that CSV has to quote, doubled quotes and all. */
const FILE = 'a "picture", of\nme.png';
await writeFile(join(folder, FILE), 'bytes');
let count = 0;

const id = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._~@|:+=-]{0,79}$/);
const badId = fc.constantFrom('!', ' a', 'a/b', '..', '.a', '~a', 'ä', 'x'.repeat(81));
const rows = fc.array(
  fc.oneof(
    id.map((valid) => ({ id: valid, file: FILE, expected: 'item' })),
    id.map((valid) => ({ id: valid, file: 'none.png', expected: 'file_not_found' })),
    id.map((valid) => ({ id: valid, file: 'https://example.com/a.png', expected: 'invalid_line' })),
    badId.map((invalid) => ({ id: invalid, file: FILE, expected: 'invalid_id' })),
  ),
  { maxLength: 20 },
);

describe('lists to import', () => {
  it('are read row by row as they were written, as CSV', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.boolean(), fc.constantFrom('\n', '\r\n'), async (list, heading, end) => {
        const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
        const lines = list.map((row) => `${quoted(row.id)},${quoted(row.file)}${end}`);
        const text = `${heading ? `id,file${end}` : ''}${lines.join('')}`;
        const entries = await all(readCsv(await written(`\ufeff${text}`)));
        expect(entries.map(kindOf)).toEqual(list.map(({ expected }) => expected));
        expect(idsOf(entries)).toEqual(
          list.filter(({ expected }) => expected === 'item').map((row) => row.id),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('are read line by line as they were written, as JSON', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.constantFrom('\n', '\r\n', '\n\n'), async (list, end) => {
        const lines = list.map((row) => JSON.stringify({ id: row.id, file: row.file }));
        const entries = await all(readJsonLines(await written(lines.join(end))));
        expect(entries.map(kindOf)).toEqual(list.map(({ expected }) => expected));
        expect(idsOf(entries)).toEqual(
          list.filter(({ expected }) => expected === 'item').map((row) => row.id),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('end with findings, not with an error, whatever is in them', async () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc
        .array(fc.constantFrom('"', ',', '\n', '\r', '\0', 'a', '{', '}', '[', ']', ':', '\\', ' '), {
          maxLength: 60,
        })
        .map((parts) => parts.join('')),
    );
    await fc.assert(
      fc.asyncProperty(junk, async (text) => {
        const path = await written(text);
        for (const entry of [...(await all(readCsv(path))), ...(await all(readJsonLines(path)))]) {
          if (!('finding' in entry)) throw new Error('nothing of this is a file');
          expect(entry.finding.where).toMatch(/:\d+$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each(['\0', 'x'.repeat(300), 'none.png/none.png', '.'])(
    'say of %j that it is no file to be had',
    async (name) => {
      const lists = [
        readCsv(await written(`alice,${name}`)),
        readJsonLines(await written(JSON.stringify({ id: 'alice', file: name }))),
      ];
      for (const list of lists) expect((await all(list)).map(kindOf)).toEqual(['file_not_found']);
    },
  );

  it('say of a file that cannot be looked at why', async () => {
    await symlink('loop', join(folder, 'loop'));
    const [entry] = await all(readCsv(await written('alice,loop')));
    expect(entry).toMatchObject({
      finding: { code: 'file_unreadable', message: expect.stringContaining('ELOOP') as string },
    });
  });

  it.each([
    ['id;file\nalice;a.png\nbob;b.png\n', /commas.*id,file/],
    ['file,id\na.png,alice\nb.png,bob\n', /order is id,file/],
    ['Path,ID\na.png,alice\n', /order is id,file/],
  ])('with the heading of %j are refused in one sentence', async (text, message) => {
    const entries = await all(readCsv(await written(text)));
    expect(entries).toEqual([
      {
        finding: {
          code: 'invalid_line',
          where: expect.stringMatching(/:1$/) as string,
          message: expect.stringMatching(message) as string,
        },
      },
    ]);
  });

  it('say of a row without a heading that its semicolons should be commas, or its columns swapped', async () => {
    await writeFile(join(folder, 'me.png'), 'bytes');
    const entries = await all(readCsv(await written('alice;me.png\nme.png,alice\nalice\n')));
    expect(entries.map((entry) => ('finding' in entry ? entry.finding : undefined))).toMatchObject([
      { code: 'invalid_line', message: expect.stringMatching(/commas/) as string },
      { code: 'invalid_line', message: expect.stringMatching(/order is id,file/) as string },
      { code: 'invalid_line', message: 'A line needs an id and a file.' },
    ]);
  });

  it('name the line of a picture that cannot be imported', async () => {
    const path = await written('alice,none.png\n\ncarl\n"bob","no\nne.png"\n');
    const entries = await all(readCsv(path));
    expect(entries.map((entry) => ('finding' in entry ? entry.finding.where : ''))).toEqual(
      [1, 3, 5].map((line) => `${path}:${line}`),
    );
  });
});

async function written(text: string): Promise<string> {
  const path = join(folder, `list-${count++}`);
  await writeFile(path, text);
  return path;
}

async function all(entries: AsyncIterable<Entry>): Promise<Entry[]> {
  const list = [];
  for await (const entry of entries) list.push(entry);
  return list;
}

function kindOf(entry: Entry): string {
  return 'finding' in entry ? entry.finding.code : 'item';
}

function idsOf(entries: readonly Entry[]): string[] {
  return entries.flatMap((entry) => ('finding' in entry ? [] : [entry.id]));
}
