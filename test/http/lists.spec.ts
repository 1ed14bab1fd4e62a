import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { Settings } from '../../src/config/settings.js';
import { aliasKey, manifestKey } from '../../src/model/keys.js';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import type { LookupEntry } from '../../clients/typescript/src/index.js';
import {
  AvatarClient,
  type VersionJson,
  expectStatus,
  jsonOf,
  lookup,
  numbered,
  postLookup,
} from '../support/avatar-client.js';
import { openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { runs } from '../support/programme.js';
import { fc } from '../support/properties.js';
import { type Environment, type RunningService, startServices } from '../support/service.js';
import { noise } from './support/pictures.js';

const SIZES = new Settings().avatarSizes;
const HASH = createHash('sha256').update('nobody@example.org').digest('hex');

let environment: Environment;
/** Has no AVATAR_DEFAULT, and may redirect to `other`. */
let service: RunningService;
/** Has one. */
let other: RunningService;

beforeAll(async () => {
  environment = await local.environment();
  [other] = (await startServices([{ ...(await local.environment()), AVATAR_DEFAULT: 'identicon' }])) as [
    RunningService,
  ];
  [service] = (await startServices([{ ...environment, AVATAR_DEFAULT_URLS: `${other.url}/v1/avatars` }])) as [
    RunningService,
  ];
});
afterAll(() => Promise.all([service, other].map((one) => one.stop())));

/** The picture under a URL. @throws Error if there is none */
async function pictureAt(url = ''): Promise<Buffer> {
  const answer = await fetch(url);
  const type = answer.headers.get('content-type') ?? '';
  if (answer.status !== 200 || !type.startsWith('image/'))
    throw new Error(`${answer.status} ${type}: ${url}`);
  return Buffer.from(await answer.arrayBuffer());
}

const widthAt = async (url?: string) => (await sharp(await pictureAt(url)).metadata()).width;
const search = (url = '') => new URL(url).search;

describe('the URLs of answers', () => {
  it.each([48, 600])(
    'are one for each of AVATAR_SIZES and the master, of a picture of %d px',
    async (edge) => {
      const id = `wide-${edge}`;
      const client = new AvatarClient(service.url, id);
      const upload = await client.upload(await noise(edge, edge).jpeg().toBuffer());
      const { urls } = jsonOf(expectStatus(201, upload)) as VersionJson;
      expect(Object.keys(urls)).toEqual([...SIZES.map(String), 'master']);
      for (const size of SIZES) {
        const url = urls[size];
        if (size >= edge) expect([size, url]).toEqual([size, urls['master']]);
        else expect([size, await widthAt(url)]).toEqual([size, size]);
      }
      expect(await widthAt(urls['master'])).toBe(edge);
      expect(jsonOf(await client.get('/info'))).toMatchObject({ urls });
      expect(jsonOf(await client.get('/versions'))).toMatchObject({ versions: [{ urls }] });
      expect((await lookup(service.url, { ids: [id] })).avatars[id]?.urls).toEqual(urls);
    },
  );
});

describe('the URLs of a lookup', () => {
  it('show something for everybody, though there is no AVATAR_DEFAULT', async () => {
    expectStatus(201, await new AvatarClient(service.url, 'ann').upload(await numbered(1)));
    const ids = ['ann', 'Bob@x', 'carl', 'dora'];
    const names = { ann: 'Ann Ott', 'Bob@x': "Bob's (&) *Söhne*!", dora: ' ' };
    const { avatars, hashes } = await lookup(service.url, { ids, names, hashes: [HASH] });
    const entries = { ...avatars, ...hashes };
    for (const { urls } of Object.values(entries)) {
      expect(Object.keys(urls)).toEqual([...SIZES.map(String), 'master']);
    }
    const queries = Object.values(entries).map(({ urls }) => search(urls['64']));
    expect(queries).toEqual([
      '',
      '?size=64&default=initials&name=Bob%27s%20%28%26%29%20%2AS%C3%B6hne%2A%21',
      '?size=64&default=mp',
      '?size=64&default=mp',
      '?s=64',
    ]);
    const plain = (id: string, query: string) =>
      pictureAt(`${service.url}/v1/avatars/${encodeURIComponent(id)}?${query}`);
    const bob = await pictureAt(avatars['Bob@x']?.urls['64']);
    expect(bob).toEqual(await plain('Bob@x', 'default=initials&initials=BS&size=64'));
    expect(await pictureAt(avatars['carl']?.urls['64'])).toEqual(await plain('carl', 'default=mp&size=64'));

    const wish = { ids, names, hashes: [HASH], sizes: [16, 100, 512], format: 'webp' };
    for (const { urls } of Object.values({ ...(await lookup(service.url, wish)).avatars })) {
      expect(Object.keys(urls)).toEqual(['16', '100', '512']);
      for (const [size, url] of Object.entries(urls)) {
        const { format, width } = await sharp(await pictureAt(url)).metadata();
        const least = url.includes('/ann/') ? Math.min(48, Number(size)) : Number(size);
        expect([url, format, width >= least]).toEqual([url, 'webp', true]);
      }
    }
  });

  it.each(['mm', ...PLACEHOLDER_KINDS])(
    'show %s if it is asked for, and the answer its color',
    async (kind) => {
      const wish = { ids: ['nobody'], hashes: [HASH], default: kind, sizes: [32], format: 'png' };
      const { avatars, hashes } = await lookup(service.url, wish);
      const drawn = kind === 'mm' ? 'mp' : kind;
      expect(search(avatars['nobody']?.urls['32'])).toBe(`?size=32&format=png&default=${drawn}`);
      expect(search(hashes[HASH]?.urls['32'])).toBe(`?s=32&d=${drawn}`);
      for (const { urls, color } of [avatars['nobody'], hashes[HASH]] as LookupEntry[]) {
        const { data } = await sharp(await pictureAt(urls['32']))
          .ensureAlpha()
          .raw()
          .toBuffer({ resolveWithObject: true });
        const pixels = data.toString('hex').match(/.{8}/g);
        if (kind === 'blank') expect([color, new Set(pixels)]).toEqual([null, new Set(['00000000'])]);
        else expect(pixels).toContain(`${color?.slice(1)}ff`);
      }
    },
  );

  it('lead to an allowed URL, and nowhere only if 404 is asked for', async () => {
    expectStatus(201, await new AvatarClient(other.url, 'stand-in').upload(await numbered(2)));
    const url = `${other.url}/v1/avatars/stand-in?size=16&format=png`;
    const asked = { ids: ['nobody'], hashes: [HASH], names: { nobody: 'No Body' }, sizes: [16] };
    const elsewhere = await lookup(service.url, { ...asked, default: url });
    const nowhere = await lookup(service.url, { ...asked, default: '404' });
    const of = ({ avatars, hashes }: typeof nowhere) => [avatars['nobody'], hashes[HASH]] as LookupEntry[];
    for (const { urls, color } of of(elsewhere)) {
      expect([await pictureAt(urls['16']), color]).toEqual([await pictureAt(url), null]);
      expect(urls['16']).not.toContain('Body');
    }
    for (const { urls, color } of of(nowhere)) {
      expect([(await fetch(urls['16'] ?? '')).status, color]).toEqual([404, null]);
    }
  });

  it('leave the choice to AVATAR_DEFAULT, except for people with a name', async () => {
    const wish = { ids: ['bare', 'named'], names: { named: 'Ada King' }, hashes: [HASH], sizes: [64] };
    const { avatars, hashes } = await lookup(other.url, wish);
    const entries = [avatars['bare'], avatars['named'], hashes[HASH]];
    expect(entries.map((one) => search(one?.urls['64']))).toEqual([
      '?size=64',
      '?size=64&default=initials&name=Ada%20King',
      '?s=64',
    ]);
    expect(await pictureAt(avatars['bare']?.urls['64'])).toEqual(
      await pictureAt(`${other.url}/v1/avatars/bare?size=64&default=identicon`),
    );
  });

  it('have the names in them, whatever is to be escaped', async () => {
    const part = fc.constantFrom(
      ...Array.from('&=?#+%/ "\'<>\\éß한😀\n\0'),
      '\ud83d',
      '\ude00',
      '%20',
      '%zz',
      '..',
    );
    const name = fc.oneof(
      { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 256 }) },
      fc.string({ unit: part, maxLength: 20 }),
      fc.string({ unit: 'grapheme', minLength: 240, maxLength: 300 }),
    );
    const isName = (text: string) => Array.from(text).length <= 256 && !/\p{Cs}/u.test(text);
    await fc.assert(
      fc.asyncProperty(fc.array(name, { minLength: 1, maxLength: 12 }), async (texts) => {
        const names = Object.fromEntries(texts.map((text, i) => [`person-${i}`, text]));
        const wish = { ids: Object.keys(names), names, sizes: [16], format: 'png' };
        const { avatars } = await lookup(service.url, wish);
        for (const [id, text] of Object.entries(names)) {
          if (!isName(text)) expect(avatars[id]).toMatchObject({ error: { code: 'invalid_default' } });
          else {
            const url = avatars[id]?.urls['16'] ?? '';
            expect(new URL(url).searchParams.get('name')).toBe(text.trim() === '' ? null : text);
            await pictureAt(url);
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('an entry of a lookup', () => {
  const answered = async (body: unknown) => {
    const answer = expectStatus(200, await postLookup(service.url, body));
    return [jsonOf(answer), answer.headers['cache-control']] as const;
  };
  const error = (code: string) => ({ error: { code, detail: expect.any(String) as string } });

  it('says what is wrong with its id, hash or name, and the others are told of', async () => {
    const bad = ['../b', '', 'lookup', 'a b', '~', 'x'.repeat(81), '\ud800', '.a'];
    const ids = ['good', ...bad, 'constructor', '__proto__', 'long'];
    const hashes = ['no-hash', HASH.toUpperCase(), '', 'ABC'];
    // A literal would set the prototype.
    const names = JSON.parse('{"__proto__":"Pro To","good":"Go Od","../b":"Bob"}') as Record<string, string>;
    const [answer, cacheControl] = await answered({
      ids,
      hashes,
      names: { ...names, long: 'x'.repeat(257) },
      sizes: [16],
    });
    const { avatars, hashes: byHash } = answer as Record<string, Record<string, LookupEntry>>;
    expect([Object.keys(avatars ?? {}), cacheControl]).toEqual([ids, 'private, no-cache']);
    for (const id of bad) expect([id, avatars?.[id]]).toEqual([id, error('invalid_id')]);
    expect(avatars?.['long']).toEqual(error('invalid_default'));
    for (const id of ['good', 'constructor', '__proto__']) {
      const entry = Object.entries(avatars ?? {}).find(([key]) => key === id)?.[1];
      expect(entry).toMatchObject({ id, default: true });
      const name = new URL(entry?.urls['16'] ?? '').searchParams.get('name');
      expect(name).toBe({ good: 'Go Od', constructor: null, ['__proto__']: 'Pro To' }[id]);
      await pictureAt(entry?.urls['16']);
    }
    expect(byHash).toEqual({
      'no-hash': error('invalid_hash'),
      [HASH]: expect.objectContaining({ id: null, default: true }) as object,
      '': error('invalid_hash'),
      abc: error('invalid_hash'),
    });
  });

  it('says that its record is damaged, in an answer that nobody keeps, and the others are told of', async () => {
    const store = openBackend(environment);
    const broken = createHash('sha256').update('broken').digest('hex');
    await store.store(manifestKey('broken'), Buffer.from('{'));
    await store.store(aliasKey(broken), Buffer.from('{'));
    const [answer, cacheControl] = await answered({ ids: ['broken', 'whole'], hashes: [broken] });
    expect(answer).toEqual({
      avatars: {
        broken: error('manifest_unreadable'),
        whole: expect.objectContaining({ id: 'whole' }) as object,
      },
      hashes: { [broken]: error('manifest_unreadable') },
    });
    expect(cacheControl).toBe('no-store');
  });
});
