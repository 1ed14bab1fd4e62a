import { createHash } from 'node:crypto';
import sharp from 'sharp';
import {
  AvatarClient,
  type History,
  type LookupJson,
  expectStatus,
  jsonOf,
  lookup,
  numbered,
  postLookup,
  versionOf,
} from '../support/avatar-client.js';
import { until } from '../support/until.js';
import { s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import { FaultProxy, type Held } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { describeS3 } from '../support/s3.js';
import { storeCalls } from '../support/scrape.js';
import { type RunningService, startService } from '../support/service.js';
import { FORM, form, problemOf, send } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';

const md5 = (text: string) => createHash('md5').update(text).digest('hex');

const COLOR = expect.stringMatching(/^#[0-9a-f]{6}$/) as string;
const NOTHING = { version: null, default: true, thumbhash: null, color: COLOR, alt: null, animated: false };
const ELSEWHERE = 'https://cdn.example/defaults';

describe('lookups', () => {
  let harness: Harness;
  let service: RunningService;
  let other: RunningService;
  let warm: RunningService | undefined;

  beforeAll(async () => {
    const environment = {
      ...(await local.environment()),
      CACHE_MAX_AGE_MS: '0',
      AVATAR_DEFAULT: 'identicon',
      AVATAR_DEFAULT_URLS: ELSEWHERE,
    };
    [harness, other] = await Promise.all([Harness.start(environment), startService(environment)]);
    ({ service } = harness);
  });
  afterEach(async () => {
    await warm?.stop();
    warm = undefined;
  });
  afterAll(async () => {
    await Promise.all([harness.stop(), other.stop()]);
  });

  const client = (id: string) => new AvatarClient(service.url, id);
  const fetched = async (url: string | undefined) => {
    const { pathname, search } = new URL(url ?? '');
    return expectStatus(200, await send(service.url, { path: `${pathname}${search}` }));
  };

  it('tells of ids and hashes what info tells, of each once', async () => {
    const uploaded = expectStatus(201, await client('Ann@x').upload(await picture('png')));
    const info = jsonOf(uploaded) as Record<string, unknown>;
    expectStatus(200, await client('Ann@x').setAliases({ emails: ['ann@example.org'] }));
    const hash = md5('ann@example.org');
    for (const { url } of [service, other]) {
      const { avatars, hashes } = await lookup(url, {
        ids: ['Ann@x', 'nobody', 'Ann@x'],
        hashes: [hash.toUpperCase(), md5('unknown'), hash],
      });
      expect(Object.keys(avatars)).toEqual(['Ann@x', 'nobody']);
      const { id, version, thumbhash, color } = info;
      const ann = { id, version, thumbhash, color, alt: null, animated: false, default: false };
      expect(avatars['Ann@x']).toEqual({ ...ann, urls: expect.any(Object) as object });
      expect(avatars['nobody']).toMatchObject({ ...NOTHING, id: 'nobody' });
      expect(hashes).toEqual({
        [hash]: avatars['Ann@x'],
        [md5('unknown')]: { ...NOTHING, id: null, urls: expect.any(Object) as object },
      });
    }
    const { avatars } = await lookup(service.url, { ids: ['Ann@x'] });
    expect(avatars['Ann@x']?.urls).toEqual(info['urls']);
  });

  it('gives immutable URLs of the sizes and the format asked for, and of defaults those that draw them', async () => {
    const version = versionOf(expectStatus(201, await client('sized').upload(await picture('png'))));
    const unknown = md5('nobody@example.org');
    const wish = { ids: ['sized', 'A.b'], hashes: [unknown], sizes: [16, 20], format: 'webp' };
    const { avatars, hashes } = await lookup(service.url, wish);
    const { sized, 'A.b': none } = avatars;
    expect(Object.keys(sized?.urls ?? {})).toEqual(['16', '20']);
    expect(sized?.urls['20']?.endsWith(`/v1/avatars/sized/${version}/32.webp`)).toBe(true);
    const made = await fetched(sized?.urls['16']);
    expect([made.headers['content-type'], made.headers['cache-control']]).toEqual([
      'image/webp',
      'public, max-age=31536000, immutable',
    ]);
    for (const url of [none?.urls['16'], hashes[unknown]?.urls['16']]) {
      const drawn = await fetched(url);
      expect(drawn.headers['content-type']).toBe('image/webp');
      expect((await sharp(drawn.body).metadata()).width).toBe(16);
    }
    expectStatus(204, await client('sized').delete());
    expect((await lookup(other.url, { ids: ['sized'] })).avatars['sized']).toMatchObject(NOTHING);
  });

  it('answers 304 to who has the answer already, until something changes', async () => {
    const body = { ids: ['tagged', 'other'] };
    const first = expectStatus(200, await postLookup(service.url, body));
    const { etag = '' } = first.headers;
    expect([etag, first.headers['cache-control']]).toEqual([
      `"${createHash('sha256').update(first.body).digest('hex')}"`,
      'private, no-cache',
    ]);
    const again = await postLookup(service.url, body, { 'if-none-match': `"x", ${etag}` });
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, etag, 0]);
    expectStatus(201, await client('tagged').upload(await numbered(1)));
    const changed = expectStatus(200, await postLookup(service.url, body, { 'if-none-match': etag }));
    expect(changed.headers.etag).not.toBe(etag);
  });

  it('takes 1000 of the longest ids, escaped, and no more', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => String(i).padStart(80, 'A'));
    const escape = (text: string) =>
      text.replace(/./g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
    const raw = `{"ids":[${ids.map((id) => `"${escape(id)}"`).join()}],"sizes":[64]}`;
    const answer = await send(service.url, { method: 'POST', path: '/v1/avatars/lookup', body: raw });
    const { avatars } = jsonOf(expectStatus(200, answer)) as LookupJson;
    expect(Object.keys(avatars)).toEqual(ids);
    const refused = await postLookup(service.url, { ids: [...ids, 'one-more'] });
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_lookup', parameter: 'ids' });
    expectStatus(200, await postLookup(service.url, { ids: [...ids, ids[0]] }));
    const large = await postLookup(service.url, { ids: ['a'], padding: 'x'.repeat(600 * 1024) });
    expect(problemOf(large)).toMatchObject({ status: 413, code: 'upload_too_large' });
  });

  it.each<[name: string, body: unknown, parameter: string]>([
    ['nothing', {}, 'ids'],
    ['null', null, 'ids'],
    ['empty lists', { ids: [], hashes: [] }, 'ids'],
    ['ids that are no list', { ids: 'a' }, 'ids'],
    ['a number for an id', { ids: [1] }, 'ids'],
    ['null for a hash', { hashes: [null] }, 'hashes'],
    ['hashes that are no list', { ids: ['a'], hashes: null }, 'hashes'],
    ['1001 hashes', { hashes: Array.from({ length: 1001 }, (_, i) => md5(String(i))) }, 'hashes'],
    ['no sizes', { ids: ['a'], sizes: [] }, 'sizes'],
    ['a size too small', { ids: ['a'], sizes: [15] }, 'sizes'],
    ['a size too large', { ids: ['a'], sizes: [64, 1025] }, 'sizes'],
    ['a size that is text', { ids: ['a'], sizes: ['64'] }, 'sizes'],
    ['a size that is no whole number', { ids: ['a'], sizes: [64.5] }, 'sizes'],
    ['too many sizes', { ids: ['a'], sizes: Array(21).fill(64) }, 'sizes'],
    ['an unknown format', { ids: ['a'], format: 'bmp' }, 'format'],
    ['a list of formats', { ids: ['a'], format: ['webp'] }, 'format'],
    ['an unknown default', { ids: ['a'], default: 'gravatar' }, 'default'],
    ['a list of defaults', { ids: ['a'], default: ['mp'] }, 'default'],
    ['a URL that is not allowed', { ids: ['a'], default: 'https://elsewhere.example/a.png' }, 'default'],
    ['a long URL', { ids: ['a'], default: `${ELSEWHERE}/${'a'.repeat(512)}` }, 'default'],
    ['names in a list', { ids: ['a'], names: ['Ann'] }, 'names'],
    ['names that are null', { ids: ['a'], names: null }, 'names'],
    ['null for a name', { ids: ['a'], names: { a: null } }, 'names'],
    ['the name of another id', { ids: ['a'], names: { a: 'Ann', b: 'Bob' } }, 'names'],
    ['a name by hash', { hashes: [md5('x')], names: { [md5('x')]: 'Ann' } }, 'names'],
    ['an unknown field', { ids: ['a'], size: 64 }, 'size'],
    ['a field of every object', { ids: ['a'], constructor: 1 }, 'constructor'],
  ])('refuses %s', async (_, body, parameter) => {
    const refused = await postLookup(service.url, body);
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_lookup', parameter });
  });

  it('names an unknown field, and those that there are', async () => {
    const refused = await postLookup(service.url, { ids: ['a'], siezs: [64] });
    const detail = 'There is no field "siezs". The fields are ids, hashes, sizes, format, default, names.';
    expect(jsonOf(refused)).toMatchObject({ detail });
  });

  it('is a call, and its name no id', async () => {
    const named = client('lookup');
    const invalid = { status: 400, code: 'invalid_id', parameter: 'id' };
    for (const suffix of ['', '/info', '/exists', '/url', '/versions', '/aliases', '/alt', '/current'])
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await named.send({ method, suffix, ...(method === 'PUT' && { body: '{}' }) });
        if (answer.status !== 405)
          expect([method, suffix, problemOf(answer)]).toEqual([method, suffix, invalid]);
      }
    expect(problemOf(await named.upload(await numbered(1)))).toEqual(invalid);
    const posted = await named.send({ method: 'POST', body: await numbered(1) });
    expect(problemOf(posted)).toEqual({ status: 400, code: 'invalid_json' });
    const { avatars } = await lookup(service.url, { ids: ['lookup'] });
    expect(avatars).toMatchObject({ lookup: { error: { code: 'invalid_id' } } });
    expectStatus(201, await client('Lookup').upload(await numbered(1)));
  });

  it('costs no call to the store where all is fresh in memory', async () => {
    warm = await startService({
      ...(await local.environment()),
      CACHE_MAX_AGE_MS: '3600000',
      AVATAR_WARM_SIZES: '0',
    });
    const ids = Array.from({ length: 200 }, (_, i) => `warm-${i}`);
    expectStatus(201, await new AvatarClient(warm.url, 'warm-1').upload(await numbered(1)));
    await lookup(warm.url, { ids });
    const before = await storeCalls(warm.url);
    for (let i = 0; i < 3; i++) await lookup(warm.url, { ids });
    expect(await storeCalls(warm.url)).toBe(before);
  });

  describe('the alt text', () => {
    let count = 0;
    const avatar = () => new AvatarClient(service.url, `alt-${++count}`);
    const query = (alt: string) => `?alt=${encodeURIComponent(alt)}`;
    const put = async (client: AvatarClient, body: Buffer, suffix = '') =>
      client.send({ method: 'PUT', body, suffix });

    it('comes by the query or the form, and is told by info, versions and lookup', async () => {
      const text = 'Ann, smiling 😀 at a café';
      const client = avatar();
      const body = await numbered(1);
      expect(jsonOf(expectStatus(201, await put(client, body, query(` ${text} `))))).toMatchObject({
        alt: text,
      });
      expect(jsonOf(await client.get('/info'))).toMatchObject({ alt: text });
      expect(jsonOf(await client.get('/versions'))).toMatchObject({ versions: [{ alt: text }] });
      const { avatars } = await lookup(service.url, { ids: [`alt-${count}`] });
      expect(avatars[`alt-${count}`]?.alt).toBe(text);

      const longest = '😀'.repeat(250);
      const parts = [
        { name: 'alt', content: longest },
        { filename: 'me.png', content: body },
      ];
      const byForm = await avatar().send({ method: 'PUT', headers: FORM, body: form(...parts) });
      expect(jsonOf(expectStatus(201, byForm))).toMatchObject({ alt: longest });
      const bare = jsonOf(expectStatus(201, await put(avatar(), body, '?alt=')));
      expect(bare).not.toHaveProperty('alt');
    });

    it('makes another upload of the same bytes where it differs, and the same where it is left out', async () => {
      const client = avatar();
      const body = await numbered(2);
      expectStatus(201, await put(client, body));
      expectStatus(200, await put(client, body));
      const first = versionOf(expectStatus(201, await put(client, body, query('one'))));
      for (const suffix of ['', '?alt=', query('one')]) {
        const same = expectStatus(200, await put(client, body, suffix));
        expect([versionOf(same), (jsonOf(same) as { alt?: string }).alt]).toEqual([first, 'one']);
      }
      expectStatus(201, await put(client, body, query('two')));
      expect(jsonOf(expectStatus(200, await client.restore(first)))).toMatchObject({ alt: 'one' });
      const { versions } = jsonOf(await client.get('/versions')) as History;
      expect(versions.map(({ alt }) => alt)).toEqual(['two', 'one', undefined]);
    });

    it.each([
      ['too long', query('x'.repeat(251))],
      ['with a line break', query('a\nb')],
      ['with NUL', '?alt=a%00b'],
      ['with DEL', query('a\u007fb')],
      ['twice', '?alt=a&alt=b'],
    ])('is refused %s, and nothing remains of the upload', async (_, suffix) => {
      const problem = await harness.refusal({ body: await picture('png') }, suffix);
      expect(problem).toEqual({ status: 400, code: 'invalid_alt', parameter: 'alt' });
    });

    it.each([
      ['a bad one in the form', '', ['a\tb']],
      ['two in the form', '', ['a', 'b']],
      ['one in the query and another in the form', query('a'), ['b']],
    ])('refuses %s, and nothing remains of the upload', async (_, suffix, texts) => {
      const parts = texts.map((content) => ({ name: 'alt', content }));
      const body = form(...parts, { filename: 'me.png', content: await picture('png') });
      const problem = await harness.refusal({ headers: FORM, body }, suffix);
      expect(problem).toEqual({ status: 400, code: 'invalid_alt', parameter: 'alt' });
    });
  });
});

describeS3('lookups while the bucket is away', () => {
  let proxy: FaultProxy;
  let service: RunningService;

  beforeAll(async () => {
    const behind = await behindProxy(await s3Environment());
    proxy = behind.proxy;
    service = await startService({ ...behind.environment, STORAGE_FALLBACK: 'none', CACHE_MAX_AGE_MS: '0' });
  });
  afterAll(async () => {
    await service.stop();
    await proxy.stop();
  });

  it('tell what is known of all that is asked, and else say 503', async () => {
    const version = versionOf(
      expectStatus(201, await new AvatarClient(service.url, 'known').upload(await numbered(1))),
    );
    const hashes = [md5('known'), md5('nobody')];
    expectStatus(200, await new AvatarClient(service.url, 'known').setAliases({ hashes: [md5('known')] }));
    const asked = { ids: ['known', 'empty'], hashes };
    const before = await lookup(service.url, asked);
    expect(before.avatars['known']).toMatchObject({ version });
    await proxy.stop();
    expect(await lookup(service.url, asked)).toEqual(before);
    for (const more of [{ ids: ['known', 'stranger'] }, { ids: ['known'], hashes: [md5('stranger')] }]) {
      const refused = await postLookup(service.url, more);
      expect(problemOf(refused)).toEqual({ status: 503, code: 'storage_unavailable' });
      expect(refused.headers['retry-after']).toBe('5');
    }
  });
});

describeS3('lookups at the same time', () => {
  it('read as many avatars at once as they may together, and no more', async () => {
    const { proxy, environment } = await behindProxy(await s3Environment());
    const service = await startService({ ...environment, CONSTANT_LOOKUP_CONCURRENCY: '3' });
    try {
      const wishes = ['a', 'b'].map((name) => ({
        ids: Array.from({ length: 10 }, (_, i) => `${name}-${i}`),
      }));
      const held: Held[] = [];
      const sizes: number[] = [];
      const fault = { type: 'held', arrived: (one: Held) => held.push(one) } as const;
      proxy.rule({ operation: 'GetObject', key: /^manifests\//, fault });
      let left = 20;
      const answers = Promise.all(wishes.map((wish) => lookup(service.url, wish)));
      while (left > 0) {
        await until(() => held.length >= Math.min(3, left), 'the reads');
        sizes.push(held.length);
        held.shift()?.pass();
        left--;
      }
      expect(Math.max(...sizes)).toBe(3);
      expect((await answers).map(({ avatars }) => Object.keys(avatars).length)).toEqual([10, 10]);
    } finally {
      await service.stop();
      await proxy.stop();
    }
  });
});
