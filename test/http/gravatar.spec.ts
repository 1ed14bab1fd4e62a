import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { type Losable, startLosable } from '../support/away.js';
import { backends, openBackend } from '../support/backends.js';
import { local } from '../support/local.js';
import { difference, painted, reference } from '../support/pictures.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { type Answer, problemOf, send } from './support/client.js';
import { picture } from './support/pictures.js';

const STABLE = 'public, max-age=0, must-revalidate';
const ALLOWED = 'https://img.example/avatars';

const hashOf = (algorithm: 'md5' | 'sha256', text: string) =>
  createHash(algorithm).update(text).digest('hex');
const photograph = () => painted(256, 256, reference(256, 256)).png().toBuffer();
const facts = async ({ body }: Answer) => {
  const { width, height, format, pages = 1 } = await sharp(body).metadata();
  return { width, height, format: format === 'heif' ? 'avif' : format, pages };
};

/** Somebody with an e-mail address that is theirs alone. */
class Person {
  private static count = 0;
  readonly id = `person-${++Person.count}`;
  readonly email = `Ada.${this.id}@Example.org`;
  readonly md5 = hashOf('md5', this.email.toLowerCase());
  readonly sha256 = hashOf('sha256', this.email.toLowerCase());
  readonly avatar: AvatarClient;

  constructor(private readonly url: string) {
    this.avatar = new AvatarClient(url, this.id);
  }

  async register(emails = [this.email]): Promise<void> {
    expectStatus(200, await this.avatar.setAliases({ emails }));
  }

  async upload(body: Buffer): Promise<void> {
    expectStatus(201, await this.avatar.upload(body));
  }

  get(query = '', headers: Record<string, string> = {}): Promise<Answer> {
    return send(this.url, { path: `/avatar/${this.md5}${query}`, headers });
  }
}

describe('the contract of Gravatar', () => {
  let environment: Environment;
  let service: RunningService;
  /** With a picture, with none, and whom nobody has registered. */
  let known: Person;
  let blank: Person;
  let stranger: Person;

  beforeAll(async () => {
    environment = {
      ...(await local.environment()),
      CACHE_MAX_AGE_MS: '3600000',
      AVATAR_DEFAULT_URLS: `${ALLOWED}, https://cdn.example`,
    };
    service = await startService(environment);
    [known, blank, stranger] = [new Person(service.url), new Person(service.url), new Person(service.url)];
    await known.upload(await photograph());
    await known.register();
    await blank.register();
  });
  afterAll(() => service.stop());

  const get = (path: string, headers: Record<string, string> = {}) => send(service.url, { path, headers });

  it('shows the picture by MD5 and by SHA-256 with the same bytes, in any case of letters', async () => {
    const first = expectStatus(200, await get(`/avatar/${known.md5}`));
    expect(await facts(first)).toEqual({ width: 80, height: 80, format: 'png', pages: 1 });
    expect(await difference(first.body, await photograph())).toBeLessThan(6);
    for (const hash of [known.sha256, known.md5.toUpperCase(), known.sha256.toUpperCase(), known.md5]) {
      const answer = expectStatus(200, await get(`/avatar/${hash}`));
      expect([answer.body, answer.headers.etag]).toEqual([first.body, first.headers.etag]);
    }
  });

  it('answers as the stable URLs do, and the same again by GET and HEAD', async () => {
    for (const path of [
      `/avatar/${known.md5}?s=70`,
      `/avatar/${known.md5}.webp?s=70`,
      `/avatar/${stranger.md5}?s=70&d=retro`,
      `/avatar/${blank.md5}?s=70&d=retro`,
      `/avatar/${known.md5}?s=70&d=retro&f=y`,
      '/avatar/',
    ]) {
      const first = expectStatus(200, await get(path));
      const { etag = '' } = first.headers;
      expect(first.headers).toMatchObject({
        etag: expect.stringMatching(/^"[^"]+"$/) as string,
        'cache-control': STABLE,
        'content-length': String(first.body.length),
        'content-type': `image/${(await facts(first)).format}`,
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; sandbox",
        'cross-origin-resource-policy': 'cross-origin',
        'access-control-allow-origin': '*',
      });
      const drawn = !path.startsWith(`/avatar/${known.md5}`) || path.includes('f=y');
      const vary = drawn ? 'Accept, Sec-CH-Prefers-Color-Scheme' : 'Accept';
      expect(first.headers.vary).toBe(path.includes('.webp') ? undefined : vary);
      for (let i = 0; i < 2; i++) {
        expect((await get(path)).body).toEqual(first.body);
        const head = await send(service.url, { method: 'HEAD', path });
        expect([head.status, head.headers.etag, head.body.length]).toEqual([200, etag, 0]);
        expect(head.headers['content-length']).toBe(String(first.body.length));
        const fresh = await get(path, { 'if-none-match': etag });
        expect([fresh.status, fresh.headers.etag, fresh.body.length]).toEqual([304, etag, 0]);
        expect((await get(path, { 'if-none-match': '"other"' })).status).toBe(200);
      }
    }
  });

  it.each([
    ['', 80],
    ['?s=1', 1],
    ['?s=79', 79],
    ['?s=128', 128],
    ['?size=256', 256],
    ['?s=300', 300],
    ['?s=512', 512],
    ['?s=513', 512],
    ['?s=2048', 512],
    ['?s=999999999', 512],
    ['?s=48x48', 48],
    ['?s=40&size=50', 50],
    ['?size=50&s=40', 50],
    ['?s=', 80],
    ['?s=0', 80],
    ['?s=-5', 80],
    ['?s=abc', 80],
    ['?s=64.5', 80],
    ['?s=%00', 80],
    ['?s=40&s=50', 50],
  ])('with %s has exactly %d px', async (query, size) => {
    const joined = query === '' ? '?' : `${query}&`;
    for (const answer of [
      await known.get(query),
      await known.get(`${joined}f=y&d=identicon`),
      await blank.get(`${joined}d=identicon`),
      await stranger.get(`${joined}d=identicon`),
    ]) {
      expect(await facts(expectStatus(200, answer))).toMatchObject({ width: size, height: size });
    }
  });

  it('enlarges what is smaller, and leaves nothing of odd sizes in the storage', async () => {
    const person = new Person(service.url);
    await person.upload(await numbered(7));
    await person.register();
    for (const size of [1, 17, 47, 49, 80, 99, 200, 511]) {
      for (const extension of ['', '.jpg', '.webp', '.gif']) {
        const path = `/avatar/${person.sha256}${extension}?s=${size}`;
        expect(await facts(expectStatus(200, await get(path)))).toMatchObject({ width: size, height: size });
      }
    }
    expectStatus(200, await person.get('?s=32'));
    const objects = openBackend(environment);
    const names = async () => {
      const keys: string[] = [];
      for await (const { key } of objects.list(`avatars/${person.id}/`))
        keys.push(key.split('/').at(-1) ?? '');
      return keys.filter((name) => !name.startsWith('master'));
    };
    // What is kept is kept after the answer.
    while (!(await names()).includes('32.png')) await sleep(20);
    // The webp is one of AVATAR_WARM_SIZES.
    expect((await names()).filter((name) => !/^(32\.png|(64|128|256)\.webp)$/.test(name))).toEqual([]);
    expect(await names()).toContain('32.png');
  });

  it.each([
    ['', 'png'],
    ['.png', 'png'],
    ['.jpg', 'jpeg'],
    ['.jpeg', 'jpeg'],
    ['.JPG', 'jpeg'],
    ['.webp', 'webp'],
    ['.gif', 'gif'],
    ['.avif', 'avif'],
  ])('by the extension %j is of the format %s, whoever asks', async (extension, format) => {
    for (const hash of [known.md5, known.sha256, blank.md5, stranger.sha256]) {
      for (const accept of ['image/png', '*/*', 'image/avif;q=0']) {
        const answer = expectStatus(200, await get(`/avatar/${hash}${extension}?s=20`, { accept }));
        expect(await facts(answer)).toEqual({ width: 20, height: 20, format, pages: 1 });
        expect(answer.headers['content-type']).toBe(`image/${format}`);
      }
    }
  });

  it('is newer than PNG only for who names the format', async () => {
    for (const person of [known, blank, stranger]) {
      const type = async (accept: string) => (await person.get('?s=30', { accept })).headers['content-type'];
      expect(await type('image/webp,*/*')).toBe('image/webp');
      expect(await type('image/*,*/*')).toBe('image/png');
      expect(await type('image/webp;q=0')).toBe('image/png');
      expect(await type('text/html')).toBe('image/png');
    }
  });

  it('stands still', async () => {
    const person = new Person(service.url);
    await person.upload(await picture('animatedWebp'));
    await person.register();
    for (const [extension, format] of [
      ['.gif', 'gif'],
      ['.webp', 'webp'],
      ['', 'png'],
    ]) {
      for (const size of [32, 33]) {
        const answer = await get(`/avatar/${person.md5}${extension}?s=${size}`);
        expect(await facts(answer)).toEqual({ width: size, height: size, format, pages: 1 });
      }
    }
  });

  it.each([...PLACEHOLDER_KINDS, 'mm'])(
    'draws %s where there is no picture, by what is known',
    async (kind) => {
      const drawn = async (hash: string, query = '') =>
        expectStatus(200, await get(`/avatar/${hash}?d=${kind}${query}`));
      const first = await drawn(stranger.md5);
      expect((await drawn(stranger.md5.toUpperCase())).body).toEqual(first.body);
      // Of two hashes nobody can tell that they are of one address, unless it is registered. Colors are only fifteen.
      const others = ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => hashOf('md5', text));
      const drawings = await Promise.all([stranger.sha256, ...others].map((hash) => drawn(hash)));
      const alike = ['mp', 'mm', 'blank'].includes(kind);
      expect(drawings.every(({ body }) => body.equals(first.body))).toBe(alike);
      expect((await drawn(blank.sha256)).body).toEqual((await drawn(blank.md5)).body);
      expect((await get(`/avatar/${stranger.md5}?default=${kind}&d=404`)).body).toEqual(first.body);
      // By something that stands for the id and does not show it, as its initials would.
      expect((await drawn(blank.md5)).body).toEqual((await drawn(hashOf('sha256', blank.id))).body);
      // It gives way to a picture, unless it is asked for in any case.
      expect((await drawn(known.md5)).body).toEqual((await known.get()).body);
      const forced = await drawn(known.md5, '&f=y');
      expect(forced.body).toEqual((await drawn(known.md5, '&forcedefault=y')).body);
      expect(forced.body).not.toEqual((await known.get()).body);
    },
  );

  it('draws nothing as blank', async () => {
    const { channels } = await sharp((await stranger.get('?d=blank')).body).stats();
    expect(channels.map(({ max }) => max)).toEqual([0, 0, 0, 0]);
  });

  it('draws the initials that are asked for', async () => {
    const drawn = async (query: string) => (await stranger.get(`?d=initials&${query}`)).body;
    expect(await drawn('initials=AL')).toEqual(await drawn('name=Ada%20King%20Lovelace'));
    const all = ['initials=XY', 'initials=AL', 'name=Grace', '', `name=${'z'.repeat(2000)}`];
    const bodies = await Promise.all(all.map(drawn));
    expect(new Set(bodies.map((body) => body.toString('base64'))).size).toBe(all.length);
  });

  it.each(['', '?d=', '?d=nonsense', '?d=MP%00', '?d=%2Fnobody.png', '?r=x', '?rating=g&x=1'])(
    'draws the silhouette for %j',
    async (query) => {
      const mp = await stranger.get('?d=mp');
      for (const person of [stranger, blank]) {
        expect(expectStatus(200, await person.get(query)).body).toEqual(mp.body);
      }
    },
  );

  it('is 404 only where that is asked for', async () => {
    const missing = { status: 404, code: 'avatar_not_found' };
    for (const query of ['?d=404', '?default=404&d=mp', '?d=404&s=x']) {
      expect(problemOf(await stranger.get(query))).toEqual(missing);
      expect(problemOf(await blank.get(query))).toEqual(missing);
      expectStatus(200, await known.get(query));
      expect(problemOf(await known.get(`${query}&f=y`))).toEqual(missing);
      expect(problemOf(await known.get(`${query}&forcedefault=y`))).toEqual(missing);
      expectStatus(200, await known.get(`${query}&f=n`));
    }
    const head = await send(service.url, { method: 'HEAD', path: `/avatar/${stranger.md5}?d=404` });
    expect([head.status, head.body.length]).toEqual([404, 0]);
  });

  it.each([
    [`${ALLOWED}/nobody.png`, `${ALLOWED}/nobody.png`],
    ['https://cdn.example/a.png?s=80&x=y', 'https://cdn.example/a.png?s=80&x=y'],
    ['https://img.example/other.png', undefined],
    ['https://img.example/avatars/../other.png', undefined],
    ['https://cdn.example.evil.example/', undefined],
    ['https://cdn.example@evil.example/', undefined],
    ['https://user@cdn.example/', undefined],
    ['//cdn.example/', undefined],
    ['https:\\\\cdn.example', undefined],
    ['http://cdn.example/', undefined],
    ['javascript:alert(1)', undefined],
    ['https://cdn.example/\r\nSet-Cookie: a=b', undefined],
  ])('sends to %j only where that is allowed', async (url, location) => {
    const query = `?d=${encodeURIComponent(url)}`;
    for (const answer of [
      await stranger.get(query),
      await blank.get(query),
      await known.get(`${query}&f=y`),
    ]) {
      expect([answer.status, answer.headers.location]).toEqual([location ? 302 : 200, location]);
      expect(answer.headers['cache-control']).toBe(STABLE);
      expect(answer.headers['access-control-allow-origin']).toBe('*');
      if (location) expect(answer.body).toHaveLength(0);
    }
    expectStatus(200, await known.get(query));
  });

  it.each([
    '/avatar/',
    '/avatar/?s=80',
    '/avatar/.png',
    '/avatar/x',
    '/avatar/0',
    `/avatar/${'0'.repeat(31)}`,
    `/avatar/${'0'.repeat(33)}`,
    `/avatar/${'0'.repeat(32)}`,
    `/avatar/${'0'.repeat(64)}`,
    `/avatar/${'g'.repeat(32)}`,
    `/avatar/${'0'.repeat(900)}`,
    '/avatar/ada@example.org',
    '/avatar/..%2f..%2fetc%2fpasswd',
    '/avatar/%00',
    '/avatar/%C3%A4%F0%9F%A6%84',
    '/avatar/__proto__',
  ])('takes %s for a hash that nobody has', async (path) => {
    const answer = expectStatus(200, await get(path));
    expect(await facts(answer)).toMatchObject({ width: 80, format: 'png' });
    const query = path.includes('?') ? '&' : '?';
    expect(problemOf(await get(`${path}${query}d=404`)).code).toBe('avatar_not_found');
  });

  it('refuses what is no hash at all, and what is no reading', async () => {
    for (const path of ['/avatar', '/avatar?d=mp']) {
      expect(problemOf(await get(path))).toEqual({ status: 400, code: 'no_hash' });
    }
    expect(problemOf(await get('/avatar/a/b'))).toEqual({ status: 404, code: 'route_not_found' });
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      for (const [path, allow] of [
        ['/', 'GET, HEAD'],
        ['/avatar', 'GET, HEAD, OPTIONS'],
        ['/avatar/', 'GET, HEAD, OPTIONS'],
        [`/avatar/${known.md5}`, 'GET, HEAD, OPTIONS'],
      ] as const) {
        const answer = await send(service.url, { method, path, body: 'x' });
        expect(problemOf(answer)).toEqual({ status: 405, code: 'method_not_allowed' });
        expect(answer.headers.allow).toBe(allow);
      }
    }
    const root = await get('/');
    expect([root.status, root.headers.location]).toEqual([302, 'docs']);
  });

  it('lists its defaults by OPTIONS, which is no pre-flight request', async () => {
    const options = (path: string, headers = {}) => send(service.url, { method: 'OPTIONS', path, headers });
    for (const path of ['/avatar', '/avatar/', `/avatar/${known.md5}`]) {
      for (const headers of [{}, { origin: 'https://page.example' }]) {
        const answer = expectStatus(200, await options(path, headers));
        const listed = (answer.headers.allow ?? '').split(', ');
        expect(listed.sort()).toEqual(['404', 'mm', ...PLACEHOLDER_KINDS].sort());
        expect(answer.body).toHaveLength(0);
      }
      const asked = { origin: 'https://page.example', 'access-control-request-method': 'GET' };
      const preflight = expectStatus(204, await options(path, asked));
      expect(preflight.headers).toMatchObject({
        'access-control-allow-origin': '*',
        'access-control-allow-methods': 'GET, HEAD, PUT, POST, DELETE',
      });
      expect(preflight.headers.allow).toBeUndefined();
    }
  });

  it('is never an old one on the replica that changed it, however hot it was', async () => {
    const person = new Person(service.url);
    const heat = async (query = '') => {
      for (let i = 0; i < 3; i++) await person.get(query);
      return (await person.get(query)).headers.etag;
    };
    const stranger = await heat('?d=retro');
    await person.upload(await numbered(1));
    expect(await heat('?d=retro')).toBe(stranger);
    await person.register();
    const first = await heat('?d=retro');
    expect(first).toMatch(/80-exact\.png"$/);
    await person.upload(await numbered(2));
    const second = await heat('?d=retro');
    expect(second).toMatch(/80-exact\.png"$/);
    expect(second).not.toBe(first);
    expectStatus(204, await person.avatar.delete());
    const registered = await heat('?d=retro');
    expect(registered).toMatch(/^"retro-/);
    await person.upload(await numbered(3));
    await heat('?d=retro');
    await person.register([]);
    expect(await heat('?d=retro')).toBe(stranger);
    await person.register();
    expect(await heat('?d=retro')).toMatch(/80-exact/);
    const next = new Person(service.url);
    await next.upload(await numbered(4));
    await next.register([person.email]);
    const taken = await heat('?d=retro');
    expectStatus(200, await person.avatar.erase());
    expect(await heat('?d=retro')).toBe(taken);
    expectStatus(200, await next.avatar.erase());
    expect(await heat('?d=retro')).toBe(stranger);
  });

  it('is shown by another replica as it is now with CACHE_MAX_AGE_MS=0', async () => {
    const asking = { CACHE_MAX_AGE_MS: '0', CONSTANT_CACHE_UNKNOWN_HASH_MS: '0' };
    const there = await startService({ ...environment, ...asking });
    try {
      const person = new Person(service.url);
      const seen = async () => {
        const etags = [person.md5, person.sha256].map(async (hash) => {
          const path = `/avatar/${hash}?d=mp`;
          return expectStatus(200, await send(there.url, { path })).headers.etag?.split('/')[0];
        });
        return new Set(await Promise.all(etags));
      };
      const pictures = (tags: Set<string | undefined>) =>
        [...tags].filter((tag) => !tag?.startsWith('"mp-')).length;
      expect(pictures(await seen())).toBe(0);
      await person.upload(await numbered(1));
      expect(pictures(await seen())).toBe(0);
      await person.register();
      const first = await seen();
      await person.upload(await numbered(2));
      const second = await seen();
      expect([first.size, second.size]).toEqual([1, 1]);
      expect(pictures(new Set([...first, ...second]))).toBe(2);
      expectStatus(200, await person.avatar.erase());
      expect(pictures(await seen())).toBe(0);
    } finally {
      await there.stop();
    }
  });
});

describe('the settings of the contract of Gravatar', () => {
  let service: RunningService;
  beforeAll(async () => {
    const environment = await local.environment();
    service = await startService({ ...environment, AVATAR_DEFAULT: 'wavatar' });
  });
  afterAll(async () => {
    expect(await service.stop()).toBe(0);
  });

  it('have AVATAR_DEFAULT where the client says nothing that is known, and no URL unless it is listed', async () => {
    const stranger = new Person(service.url);
    const wavatar = (await stranger.get('?d=wavatar')).body;
    for (const query of ['', '?d=nonsense', '?d=https%3A%2F%2Fcdn.example%2F']) {
      expect(expectStatus(200, await stranger.get(query)).body).toEqual(wavatar);
    }
    expectStatus(404, await stranger.get('?d=404'));
  });
});

describe.each(backends)('the contract of Gravatar while $name is away', (backend) => {
  let losable: Losable;
  beforeAll(async () => {
    losable = await startLosable(backend);
  });
  afterAll(() => losable.stop());

  it('shows what it knows, and of others says that it cannot tell, never that there is none', async () => {
    const { service, loseStorage } = losable;
    const [known, unknown, forgotten] = [1, 2, 3].map(() => new Person(service.url)) as [
      Person,
      Person,
      Person,
    ];
    await known.upload(await photograph());
    await known.register();
    const before = expectStatus(200, await known.get('?s=90'));
    expectStatus(404, await forgotten.get('?d=404'));
    await loseStorage();
    expect((await known.get('?s=90')).body).toEqual(before.body);
    // Of another size, made of the master that is in memory.
    expect(await facts(expectStatus(200, await known.get('?s=91')))).toMatchObject({ width: 91 });
    // Whom it knows nobody by, as it last knew.
    expectStatus(404, await forgotten.get('?d=404'));
    const answer = await unknown.get('?d=404');
    expect(problemOf(answer)).toEqual({ status: 503, code: 'storage_unavailable' });
    expect(answer.headers['retry-after']).toBeDefined();
    expectStatus(404, await unknown.get('?d=404&f=y'));
    for (const query of ['?s=80', '?d=mp', '?d=identicon']) {
      const drawn = expectStatus(200, await unknown.get(query));
      expect(drawn.headers['cache-control']).toBe('no-store');
      const forced = expectStatus(200, await unknown.get(`${query}&f=y`));
      expect([forced.body, forced.headers['cache-control']]).toEqual([drawn.body, STABLE]);
    }
    expectStatus(200, await send(service.url, { path: '/avatar/nobody' }));
    // The log comes by a pipe of its own, perhaps after the answer.
    while (!service.log().includes('"path":"/avatar/-"')) await sleep(20);
    const odd = await send(service.url, { method: 'POST', path: `/%61vatar/${known.md5}` });
    expect([404, 405]).toContain(odd.status);
    for (const { md5 } of [known, unknown, forgotten]) expect(service.log()).not.toContain(md5);
  });
});
