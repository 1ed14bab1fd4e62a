import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import sharp from 'sharp';
import { RENDITION_FORMATS } from '../../src/model/formats.js';
import { type Answer, send } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { SEED, TORTURE } from '../support/programme.js';
import { randoms } from '../support/randoms.mjs';
import { readMetrics, total } from '../support/scrape.js';
import { type RunningService, startServices } from '../support/service.js';

const READS = TORTURE ? 200_000 : 2000;
const AT_ONCE = 16;

const SIZES = [15, 16, 17, 24, 32, 33, 48, 50, 64, 65, 100, 128, 200, 1023, 1024, 1025];
const ACCEPTS = [
  undefined,
  '*/*',
  'image/*',
  'image/webp,*/*',
  'image/webp;q=0.5,image/jpeg,image/png',
  'image/png;q=0,image/jpeg',
  'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8',
  'image/avif;q=0.4,image/webp',
  'image/avif',
  'text/html',
  ';;,q=,image/webp;q=banana',
];
const RANGES = ['bytes=0-9', 'bytes=5-', 'bytes=-7', 'bytes=0-1,5-6', 'bytes=99999999-', 'pages=1-2'];
const ELSEWHERE = 'https://cdn.example/nobody.png';
const DEFAULTS = ['404', 'mm', 'identicon', 'retro', 'initials&name=Ada%20Lovelace', 'nonsense', ELSEWHERE];
const NOBODY = '01890a5d-ac96-774b-bcce-b302099a8057';

/** A read that both replicas get. */
interface Read {
  method: string;
  path: string;
  headers: Record<string, string>;
}

/** Headers that say when and to whom, but not what. */
const PASSING = ['date', 'connection', 'keep-alive'];

const said = ({ status, headers, body }: Answer) => ({
  status,
  headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !PASSING.includes(name))),
  body,
});

const legible = ({ body, ...rest }: ReturnType<typeof said>) => ({ ...rest, body: body.toString('base64') });

/** The same text, whose first character is percent-encoded. */
const escaped = (text: string) => `%${text.charCodeAt(0).toString(16)}${text.slice(1)}`;

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

describe('random reads', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  let services: RunningService[];
  /** Answers from memory whenever it can. */
  let hot: string;
  /** Asks the storage each time. */
  let cold: string;

  beforeAll(async () => {
    const environment = {
      ...(await local.environment()),
      CONSTANT_GRAVATAR_MAX_SIZE: '96',
      AVATAR_DEFAULT_URLS: ELSEWHERE,
    };
    services = await startServices([
      { ...environment, CACHE_MAX_AGE_MS: '3600000' },
      { ...environment, CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0' },
    ]);
    [hot = '', cold = ''] = services.map(({ url }) => url);
  });
  afterAll(async () => {
    agent.destroy();
    await Promise.all(services.map((service) => service.stop()));
  });

  const ask = async (base: string, read: Read) => said(await send(base, { ...read, agent }));

  it(`${READS} of them get the same from a replica that remembers as from one that asks the storage`, async () => {
    const random = randoms(SEED);
    const oneOf = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)] as T;
    const [avatars, versions] = await population(cold);
    const etags: string[] = [];
    /** The last ETag of each path. */
    const known = new Map<string, string>();

    const wish = () => {
      const query = [
        ...(random() < 0.7 ? [`size=${oneOf(SIZES)}`] : []),
        ...(random() < 0.6 ? [`format=${oneOf([...RENDITION_FORMATS, 'auto'])}`] : []),
        ...(random() < 0.2 ? [`animated=${oneOf(['true', 'false', 'auto', 'maybe'])}`] : []),
        ...(random() < 0.3 ? [`default=${oneOf(DEFAULTS)}`] : []),
      ];
      return query.length === 0 ? '' : `?${spelled(query).join('&')}`;
    };
    /** Ways to write the same, and what only looks like it. */
    const spelled = (query: readonly string[]) => {
      const [some = 'size=64', ...others] = query;
      if (random() < 0.6 || some.startsWith('format')) return query;
      const [name = '', value = ''] = some.split('=');
      return oneOf([
        [...others, some],
        [...query, `x=${oneOf(SIZES)}`],
        [...query, some],
        [...query, 'size=32'],
        ['', ...query, '=1'],
        [name, ...others],
        [`${name}=0${value}`, ...others],
        [`${name}=${escaped(value)}`, ...others],
        [`${escaped(name)}=${value}`, ...others],
        [`${name}=${value}+`, ...others],
        [`${name}=${value}%`, ...others],
        [`${name}=${value}#`, ...others],
        [`${name.toUpperCase()}=${value}`, ...others],
        [`${name}=${value};x=1`, ...others],
      ]);
    };
    const path = () => {
      const plain = oneOf(avatars);
      const id = random() < 0.1 ? escaped(plain) : plain;
      const kind = random();
      if (kind < 0.6) return `/v1/avatars/${id}${wish()}`;
      if (kind < 0.85) {
        const still = random() < 0.3 ? '-still' : '';
        const name = random() < 0.2 ? 'master' : `${oneOf(SIZES)}${still}`;
        const extension = oneOf([...RENDITION_FORMATS, 'bmp']);
        return `/v1/avatars/${id}/${oneOf(versions.get(plain) ?? [NOBODY])}/${name}.${extension}`;
      }
      const query = [
        `s=${oneOf(SIZES)}`,
        ...(random() < 0.5 ? [`d=${oneOf(DEFAULTS)}`] : []),
        ...(random() < 0.2 ? ['f=y'] : []),
      ];
      const hash = md5(`${plain}@example.org`);
      const written = random() < 0.1 ? hash.toUpperCase() : hash;
      return `/avatar/${written}${oneOf(['', '', '.jpg', '.webp'])}?${spelled(query).join('&')}`;
    };
    const ifNoneMatch = (own: string) =>
      oneOf([own, own, own, `W/${own}`, `"other", ${own}`, '*', oneOf(etags)]);
    const read = (): Read => {
      const accept = oneOf(ACCEPTS);
      const asked = path();
      const etag = known.get(asked);
      const ranged = random() < 0.1;
      return {
        method: random() < 0.2 ? 'HEAD' : 'GET',
        path: asked,
        headers: {
          // Problems repeat it.
          'x-request-id': 'random-read',
          ...(accept !== undefined && { accept }),
          ...(random() < 0.1 && { 'save-data': 'on' }),
          ...(random() < 0.1 && { 'sec-ch-prefers-reduced-motion': 'reduce' }),
          ...(random() < 0.2 && { 'sec-ch-prefers-color-scheme': oneOf(['dark', '"dark"', 'light']) }),
          ...(ranged && { range: oneOf(RANGES) }),
          ...(etag !== undefined && random() < 0.5 && { 'if-none-match': ifNoneMatch(etag) }),
          ...(random() < 0.05 && {
            'if-match': oneOf([etag ?? '*', '*', '"other"', `W/${etag ?? '"other"'}`]),
          }),
          ...(ranged && etag !== undefined && random() < 0.5 && { 'if-range': oneOf([etag, oneOf(etags)]) }),
        },
      };
    };

    const answers = new Map<number, number>();
    const compare = async () => {
      const one = read();
      // Often several times, as popular pictures are.
      const times = random() < 0.5 ? 1 : 3;
      for (let time = 0; time < times; time++) {
        const [fast, sure] = await Promise.all([ask(hot, one), ask(cold, one)]);
        answers.set(sure.status, (answers.get(sure.status) ?? 0) + 1);
        const isSame = isDeepStrictEqual(fast, sure) || (await isOtherGif(one, fast, sure));
        if (!isSame && !(await waitsForAvif(one, fast, sure))) {
          expect({ one, ...legible(fast) }).toEqual({ one, ...legible(sure) });
        }
        const etag = sure.headers['etag'];
        if (etag === undefined) continue;
        etags.push(String(etag));
        known.set(one.path, String(etag));
      }
    };
    const done = () => [...answers.values()].reduce((sum, count) => sum + count, 0);
    const loop = async () => {
      while (done() < READS) await compare();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, loop));
    for (const status of [200, 206, 302, 304, 400, 404, 412, 416])
      expect([...answers.keys()]).toContain(status);
    const metrics = readMetrics(await (await fetch(`${hot}/metrics`)).text());
    // Otherwise nothing was compared.
    expect(total(metrics, 'visage_http_hot_answers_total')).toBeGreaterThan(READS / 10);
  });

  /**
   * Whether these are two makings of one GIF. Its encoder sums colors up in a random order, so two replicas that make
   * a GIF at the same time rarely round some of them differently.
   */
  const isOtherGif = async (read: Read, ...both: Awaited<ReturnType<typeof ask>>[]) => {
    if (both.every(({ status }) => status === 416)) return /[.=]gif/.test(read.path);
    if (both.some(({ headers }) => headers['content-type'] !== 'image/gif')) return false;
    const [fast, sure] = both.map(({ status, headers }) => ({
      status,
      headers: { ...headers, 'content-length': undefined, 'content-range': undefined },
    }));
    expect(fast).toEqual(sure);
    if (sure?.status !== 200 || read.method === 'HEAD') return true;
    const [a, b] = await Promise.all(
      both.map(({ body }) => sharp(body, { animated: true }).raw().toBuffer()),
    );
    if (!a || !b) throw new Error('two pictures were compared');
    expect(a).toHaveLength(b.length);
    expect(a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length).toBeLessThan(4);
    return true;
  };

  /**
   * The one difference of pictures that is right: if the format is negotiated and the client accepts AVIF, a replica shows the next best format until
   * it has the AVIF in memory.
   */
  const waitsForAvif = async (read: Read, ...both: Awaited<ReturnType<typeof ask>>[]) => {
    const { accept = '' } = read.headers;
    if (!accept.includes('image/avif') || /[?&]format=(?!auto)/.test(read.path)) return false;
    const headers = { ...read.headers, accept: accept.replace(/image\/avif(?:;q=[\d.]+)?,?/, '') };
    const without = await ask(cold, { ...read, headers });
    if (both.every(({ status }) => status === 416 || status === 412)) {
      // It has no ETag to tell the format by, only a problem that does.
      const avif = await ask(cold, { ...read, path: asAvif(read.path) });
      return both.every((one) => [without, avif].some((possible) => isDeepStrictEqual(one, possible)));
    }
    const isAvif = ({ headers }: (typeof both)[number]) => String(headers['etag']).endsWith('.avif"');
    const [better, other] = [both.find(isAvif), both.find((one) => !isAvif(one))];
    if (!better || !other) return false;
    expect(other).toEqual(without);
    return true;
  };
});

/** The path of the same picture as AVIF, for one that leaves the format open. */
function asAvif(path: string): string {
  const [file = '', query = ''] = path.split('?');
  if (file.startsWith('/avatar/')) return `${file}.avif?${query}`;
  return `${file}?${query.replace('format=auto', '')}&format=avif`;
}

/** Avatars of every kind. @returns their ids, and all versions that they had */
async function population(url: string): Promise<[ids: string[], versions: Map<string, string[]>]> {
  const transparent = sharp({
    create: { width: 70, height: 70, channels: 4, background: { r: 9, g: 200, b: 90, alpha: 0.4 } },
  });
  const tiny = sharp({ create: { width: 16, height: 16, channels: 3, background: '#0080f0' } });
  const uploads: Record<string, Buffer[]> = {
    opaque: [await picture('jpeg')],
    transparent: [await transparent.png().toBuffer()],
    moving: [await picture('animatedGif')],
    tiny: [await tiny.png().toBuffer()],
    replaced: await Promise.all([1, 2, 3].map(numbered)),
    restored: await Promise.all([4, 5].map(numbered)),
    deleted: [await numbered(6)],
    erased: [await numbered(7)],
    reborn: [await numbered(8)],
    nobody: [],
  };
  const versions = new Map<string, string[]>();
  for (const [id, pictures] of Object.entries(uploads)) {
    const client = new AvatarClient(url, id);
    const own = [];
    for (const body of pictures) own.push(versionOf(expectStatus(201, await client.upload(body))));
    const [first = ''] = own;
    if (id === 'restored') expectStatus(200, await client.restore(first));
    if (id === 'deleted') expectStatus(204, await client.delete());
    if (id === 'erased' || id === 'reborn') expectStatus(200, await client.erase());
    if (id === 'reborn') own.push(versionOf(expectStatus(201, await client.upload(await numbered(9)))));
    if (own.length > 0 && id !== 'erased' && id !== 'deleted') {
      expectStatus(200, await client.setAliases({ emails: [`${id}@example.org`] }));
    }
    versions.set(id, [...own, NOBODY]);
  }
  return [Object.keys(uploads), versions];
}
