import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { manifestKey, pictureKey } from '../../src/model/keys.js';
import { type Losable, startLosable } from '../support/away.js';
import { AvatarClient, expectStatus, jsonOf, versionOf } from '../support/avatar-client.js';
import { backends, s3Environment } from '../support/backends.js';
import { behindProxy } from '../support/behind-proxy.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { local } from '../support/local.js';
import { animation, difference } from '../support/pictures.js';
import { HANG_MS } from '../support/patience.js';
import { describeS3 } from '../support/s3.js';
import { readMetrics, storeCalls, total } from '../support/scrape.js';
import { type Environment, type RunningService, startService } from '../support/service.js';
import { type Answer, problemOf, send } from './support/client.js';
import { type MapJson, colorsOf, getSheet, mapOf, postSheet } from './support/sheets.js';

type Rgb = readonly [number, number, number];

const RED: Rgb = [200, 30, 30];
const GREEN: Rgb = [30, 160, 30];
const BLUE: Rgb = [30, 30, 200];
/** A browser may keep a sheet however long it takes to make. */
const KEPT = { CACHE_MAX_AGE_MS: '3600000' };
const NOBODY = { version: null, default: true, alt: null, color: null, thumbhash: null, animated: false };

/** A picture of one colour. */
const plain = ([r, g, b]: Rgb, side = 80) =>
  sharp({ create: { width: side, height: side, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
const near = (color: readonly number[]) => [
  ...color.slice(0, 3).map((value) => expect.closeTo(value, -1.3) as number),
  255,
];
const made = async (url: string, kind = 'sheet') => {
  const metrics = readMetrics((await send(url, { path: '/metrics' })).body.toString());
  return total(metrics, 'visage_pictures_total', { kind, outcome: 'made' });
};

describe('sheets', () => {
  let environment: Environment;
  let service: RunningService;
  let other: RunningService;
  let versions: Record<string, string>;

  const put = async (id: string, body: Buffer, query = '') =>
    versionOf(
      expectStatus(201, await new AvatarClient(service.url, id).send({ method: 'PUT', body, suffix: query })),
    );

  beforeAll(async () => {
    environment = { ...(await local.environment()), CACHE_MAX_AGE_MS: '0', AVATAR_DEFAULT: 'identicon' };
    [service, other] = await Promise.all([startService(environment), startService(environment)]);
    versions = {
      red: await put('red', await plain(RED), '?alt=Red%20all%20over'),
      'B@x+1': await put('B@x+1', await plain(BLUE, 20)),
      green: await put('green', await plain(GREEN, 300)),
    };
  });
  afterAll(() => Promise.all([service.stop(), other.stop()]));

  it('show each avatar where the map says, on every replica, and small pictures as large as the others', async () => {
    const ids = ['red', 'nobody', 'B@x+1', 'green', 'red'];
    for (const { url } of [service, other]) {
      const sheet = expectStatus(200, await getSheet(url, ids));
      const map = await mapOf(url, ids);
      expect(sheet.headers).toMatchObject({
        'content-type': 'image/webp',
        'x-content-type-options': 'nosniff',
        'access-control-allow-origin': '*',
      });
      const { tiles, ...layout } = map;
      expect(layout).toEqual({
        ...{ size: 64, columns: 2, rows: 2, width: 128, height: 128 },
        url: `${url}/v1/sheets?ids=red,nobody,B%40x%2B1,green,red`,
      });
      expect(tiles.map(({ id, x, y }) => [id, x, y])).toEqual([
        ['red', 0, 0],
        ['nobody', 64, 0],
        ['B@x+1', 0, 64],
        ['green', 64, 64],
      ]);
      expect(tiles[0]).toMatchObject({ version: versions['red'], default: false, alt: 'Red all over' });
      expect(tiles[1]).toMatchObject(NOBODY);
      const colors = await colorsOf(sheet.body, map);
      expect([colors.get('red'), colors.get('B@x+1'), colors.get('green')]).toEqual([
        near(RED),
        near(BLUE),
        near(GREEN),
      ]);
      expect(
        expectStatus(200, await send(url, { path: new URL(map.url ?? '').href.slice(url.length) })).body,
      ).toEqual(sheet.body);
    }
  });

  it('draw the defaults that single pictures have', async () => {
    const map = await mapOf(service.url, ['nobody'], '&size=96');
    expect(map.size).toBe(96);
    const drawn = async (query: string) => {
      const [one, sheet] = await Promise.all([
        new AvatarClient(service.url, 'nobody').get(`?size=96&format=png${query}`),
        getSheet(service.url, ['nobody'], `&size=96${query}`),
      ]);
      return difference(expectStatus(200, sheet).body, expectStatus(200, one).body);
    };
    for (const query of ['', '&default=mm', '&default=initials', '&default=retro&scheme=dark'])
      expect([query, (await drawn(query)) < 3]).toEqual([query, true]);
    const dark = { 'sec-ch-prefers-color-scheme': 'dark' };
    const [hinted, asked] = await Promise.all([
      getSheet(service.url, ['nobody', 'red'], '&default=mp', dark),
      getSheet(service.url, ['nobody', 'red'], '&default=mp&scheme=dark'),
    ]);
    expect([hinted.headers.vary, asked.headers.vary]).toEqual(['Sec-CH-Prefers-Color-Scheme', undefined]);
    expect(hinted.body).toEqual(asked.body);
    const transparent = expectStatus(200, await getSheet(service.url, ['nobody', 'red'], '&default=404'));
    const colors = await colorsOf(transparent.body, await mapOf(service.url, ['nobody', 'red']));
    expect([colors.get('nobody')?.[3], colors.get('red')]).toEqual([0, near(RED)]);
  });

  it('draw the initials of the names that they get, in a URL or a body, and never mix them up', async () => {
    const ids = ['n-1', 'red', 'n-2', 'n-3', 'n-4'];
    const names = ['Ada Lovelace', 'Red', '', 'Лев Толстой', '李小龙, Jr. & "Co" +1'];
    const more = names.map((name) => `&name=${encodeURIComponent(name)}`).join('');
    const tileOf = async (sheet: Buffer, map: MapJson, id: string) => {
      const { x = 0, y = 0 } = map.tiles.find((tile) => tile.id === id) ?? {};
      const { size: edge } = map;
      return sharp(sheet).extract({ left: x, top: y, width: edge, height: edge }).png().toBuffer();
    };
    for (const query of ['', '&default=initials']) {
      const map = await mapOf(service.url, ids, `&size=96${query}${more}`);
      const sheet = expectStatus(
        200,
        await send(service.url, { path: (map.url ?? '').slice(service.url.length) }),
      );
      const posted = expectStatus(
        200,
        await postSheet(service.url, {
          ids,
          size: 96,
          ...(query !== '' && { default: 'initials' }),
          names: Object.fromEntries(ids.map((id, i) => [id, names[i]])),
        }),
      );
      expect([posted.headers.etag, posted.body.equals(sheet.body)]).toEqual([sheet.headers.etag, true]);
      for (const [i, id] of ids.entries()) {
        if (id === 'red') continue;
        const asked =
          names[i] === '' ? query : `&default=initials&name=${encodeURIComponent(names[i] ?? '')}`;
        const one = await new AvatarClient(service.url, id).get(`?size=96&format=png${asked}`);
        const tile = await tileOf(sheet.body, map, id);
        expect([query, id, (await difference(tile, expectStatus(200, one).body)) < 3]).toEqual([
          query,
          id,
          true,
        ]);
      }
      expect((await colorsOf(sheet.body, map)).get('red')).toEqual(near(RED));
    }
    // Another name is another sheet.
    const etag = async (name: string) => (await getSheet(service.url, ['n-1'], `&name=${name}`)).headers.etag;
    expect(await etag('Ada')).not.toBe(await etag('Bob'));
  });

  it('refuse names that are none, and those of nobody on them', async () => {
    const ids = ['n-1', 'n-2'];
    const long = 'a'.repeat(257);
    const refusals = [
      await getSheet(service.url, ids, '&name=a&name=b&name=c'),
      await getSheet(service.url, ids, `&name=a&name=${long}`),
      await postSheet(service.url, { ids, names: { 'n-3': 'Ada' } }),
      await postSheet(service.url, { ids, names: { 'n-1': long } }),
      await postSheet(service.url, { ids, names: { 'n-1': 7 } }),
      await postSheet(service.url, { ids, names: { 'n-1': '\ud800' } }),
      await postSheet(service.url, { ids, names: ['Ada'] }),
      await postSheet(service.url, { ids, names: null }),
      await postSheet(service.url, { names: { 'n-1': 'Ada' } }),
    ];
    expect(
      refusals.map((answer) => [answer.status, problemOf(answer).code, problemOf(answer).parameter]),
    ).toEqual([
      [400, 'invalid_sheet', 'name'],
      [400, 'invalid_sheet', 'name'],
      ...Array.from({ length: 6 }, () => [400, 'invalid_sheet', 'names']),
      [400, 'invalid_sheet', expect.stringMatching(/ids|names/)],
    ]);
  });

  it('show the first frame of what moves', async () => {
    await put(
      'moving',
      await animation(64, 64, [() => [...GREEN], () => [...RED]])
        .gif()
        .toBuffer(),
    );
    const sheet = expectStatus(200, await getSheet(service.url, ['moving', 'red']));
    const map = await mapOf(service.url, ['moving', 'red']);
    expect(map.tiles.map(({ animated }) => animated)).toEqual([true, false]);
    expect((await colorsOf(sheet.body, map)).get('moving')).toEqual(near(GREEN));
    expect((await sharp(sheet.body).metadata()).pages ?? 1).toBe(1);
  });

  it('are the same by POST, for up to 1000 of the longest ids', async () => {
    const ids = Array.from({ length: 998 }, (_, i) => String(i).padStart(80, 'A'));
    const body = { ids: ['red', ...ids, 'green', 'red'], size: 16, default: 'mp', format: 'json' };
    const map = jsonOf(expectStatus(200, await postSheet(service.url, body))) as MapJson;
    expect([map.columns, map.rows, map.url, map.tiles.length]).toEqual([32, 32, undefined, 1000]);
    const sheet = expectStatus(200, await postSheet(service.url, { ...body, format: 'webp' }));
    const colors = await colorsOf(sheet.body, map);
    expect([colors.get('red'), colors.get('green')]).toEqual([near(RED), near(GREEN)]);
    const { etag = '' } = sheet.headers;
    const again = await postSheet(service.url, { ...body, format: undefined }, { 'if-none-match': etag });
    expect([again.status, again.body.length]).toEqual([304, 0]);
  });

  it('change their ETag when a version changes, and not otherwise', async () => {
    const ids = ['changing', 'red', 'nobody'];
    const client = new AvatarClient(service.url, 'changing');
    const etags: (string | undefined)[] = [];
    const look = async () => {
      const [one, two] = await Promise.all(
        [service, other].map(async ({ url }) => expectStatus(200, await getSheet(url, ids)).headers.etag),
      );
      expect(one).toBe(two);
      etags.push(one);
    };
    await look();
    const first = await put('changing', await plain(RED));
    await look();
    await put('changing', await plain(GREEN));
    await look();
    expectStatus(200, await client.restore(first));
    await look();
    expectStatus(204, await client.delete());
    await look();
    expectStatus(200, await client.restore(first));
    await look();
    expectStatus(200, await client.erase());
    await look();
    const [none, one, two, restored, deleted, again, erased] = etags;
    expect([restored, deleted, again, erased]).toEqual([one, none, one, none]);
    expect(new Set([none, one, two]).size).toBe(3);
    // What has nothing to do with a tile changes nothing.
    await put('somebody-else', await plain(BLUE));
    await look();
    expect(etags.at(-1)).toBe(none);
    for (const more of ['&size=96', '&default=mm'])
      expect((await getSheet(service.url, ids, more)).headers.etag).not.toBe(none);
  });

  it('are not made for who has them, cost no call to the store if all is in memory, and are made once for all', async () => {
    const warm = await startService({ ...environment, ...KEPT, AVATAR_WARM_SIZES: '0' });
    try {
      const ids = Object.keys(versions);
      const { etag = '' } = expectStatus(200, await getSheet(other.url, ids)).headers;
      // No bytes are needed for a 304.
      const fresh = await getSheet(warm.url, ids, '', { 'if-none-match': etag });
      expect([fresh.status, fresh.body.length, await made(warm.url)]).toEqual([304, 0, 0]);
      expect(await made(warm.url, 'rendition')).toBe(0);
      const many = await Promise.all(Array.from({ length: 20 }, () => getSheet(warm.url, ids)));
      expect([...new Set(many.map(({ status, headers }) => `${status} ${headers.etag}`))]).toEqual([
        `200 ${etag}`,
      ]);
      expect(await made(warm.url)).toBe(1);
      const before = await storeCalls(warm.url);
      for (const more of ['', '&format=json']) expectStatus(200, await getSheet(warm.url, ids, more));
      expect([await storeCalls(warm.url), await made(warm.url)]).toEqual([before, 1]);
      const part = await getSheet(warm.url, ids, '', { range: 'bytes=0-3' });
      expect([part.status, part.body.toString('latin1')]).toEqual([206, 'RIFF']);
      const head = await send(warm.url, {
        method: 'HEAD',
        path: `/v1/sheets?ids=${ids.map(encodeURIComponent).join()}`,
      });
      expect([head.status, head.headers.etag, head.body.length]).toEqual([200, etag, 0]);
    } finally {
      await warm.stop();
    }
  });

  it('of made-up ids wait while others do not, and end no sheet that was accepted', async () => {
    const warm = await startService({ ...environment, ...KEPT });
    try {
      const ids = Object.keys(versions);
      expectStatus(200, await getSheet(warm.url, ids));
      const madeUp = (sheet: number) => Array.from({ length: 200 }, (_, i) => `u${sheet}-${i}`);
      const [strange, known] = await Promise.all([
        Promise.all(
          Array.from({ length: 60 }, (_, sheet) => getSheet(warm.url, madeUp(sheet), '&default=404')),
        ),
        getSheet(warm.url, ids),
      ]);
      expectStatus(200, known);
      const refused = strange.filter(({ status }) => status !== 200);
      // Where making those before them takes longer than sheets may wait.
      for (const answer of refused) expect(problemOf(answer).code).toBe('busy');
      // Ten are made at the same time.
      expect(strange.length - refused.length).toBeGreaterThanOrEqual(10);
    } finally {
      await warm.stop();
    }
  });

  it('are never for a CDN, which would not find them by an avatar', async () => {
    const purging = { CDN_PURGE: 'http', CDN_HTTP_URL: 'http://127.0.0.1:9/{tag}' };
    const purged = await startService({ ...environment, ...KEPT, ...purging });
    try {
      for (const more of ['', '&format=json']) {
        const { headers } = expectStatus(200, await getSheet(purged.url, ['red'], more));
        expect(headers['cache-control']).toBe('private, max-age=0, must-revalidate');
        const ofCdns = ['cache-tag', 'surrogate-key', 'cdn-cache-control'].map((name) => headers[name]);
        expect(ofCdns).toEqual([undefined, undefined, undefined]);
      }
    } finally {
      await purged.stop();
    }
  });

  it('have a map with an ETag of its own', async () => {
    const first = expectStatus(200, await getSheet(service.url, ['red'], '&format=json'));
    const { etag = '' } = first.headers;
    expect(etag).not.toBe((await getSheet(service.url, ['red'])).headers.etag);
    const again = await getSheet(service.url, ['red'], '&format=json', { 'if-none-match': etag });
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, etag, 0]);
    const wanted = (tag: string) => getSheet(service.url, ['red'], '&format=json', { 'if-match': tag });
    expectStatus(200, await wanted(etag));
    const other = await wanted('"other"');
    expect(problemOf(other)).toEqual({ status: 412, code: 'precondition_failed' });
    expect(other.headers['cache-control']).toBe('no-store');
  });

  it('forget an erased picture at once, in memory too', async () => {
    const ids = ['gone', 'red'];
    await put('gone', await plain(GREEN));
    const map = await mapOf(service.url, ids);
    const before = expectStatus(200, await getSheet(service.url, ids));
    expect((await colorsOf(before.body, map)).get('gone')).toEqual(near(GREEN));
    const entries = async () => {
      const metrics = readMetrics((await send(service.url, { path: '/metrics' })).body.toString());
      return total(metrics, 'visage_cache_entries', { cache: 'sheets' });
    };
    const kept = await entries();
    expectStatus(200, await new AvatarClient(service.url, 'gone').erase());
    expect(await entries()).toBe(kept - 1);
    const after = expectStatus(200, await getSheet(service.url, ids, '&default=404'));
    expect((await colorsOf(after.body, map)).get('gone')?.[3]).toBe(0);
  });

  const two00 = Array.from({ length: 200 }, (_, i) => `u${i}`);
  it('take 200 ids in a URL, and no more', async () => {
    expect((await mapOf(service.url, two00)).tiles).toHaveLength(200);
    const problem = problemOf(await getSheet(service.url, [...two00, 'one-more']));
    expect(problem).toEqual({ status: 400, code: 'invalid_sheet', parameter: 'ids' });
  });

  it.each<[name: string, query: string, parameter: string]>([
    ['no ids', '', 'ids'],
    ['an empty list', '?ids=', 'ids'],
    ['an empty id', '?ids=a,,b', 'ids'],
    ['a bad id', '?ids=a,../b', 'ids'],
    ['a plus that is not escaped', '?ids=a+b', 'ids'],
    ['two lists', '?ids=a&ids=b', 'ids'],
    ['too long a list', `?ids=${Array(120).fill('a'.repeat(79)).join()}`, 'ids'],
    ['a size too small', '?ids=a&size=15', 'size'],
    ['a size too large', '?ids=a&size=1025', 'size'],
    ['a size that is no number', '?ids=a&size=big', 'size'],
    ['an unknown default', '?ids=a&default=cat', 'default'],
    ['a default by URL', '?ids=a&default=https%3A%2F%2Fexample.org%2Fa.png', 'default'],
    ['an unknown scheme', '?ids=a&scheme=blue', 'scheme'],
    ['another format', '?ids=a&format=png', 'format'],
  ])('refuse %s', async (_, query, parameter) => {
    const refused = await send(service.url, { path: `/v1/sheets${query}` });
    expect(problemOf(refused)).toEqual({ status: 400, code: 'invalid_sheet', parameter });
  });

  it.each<[name: string, body: unknown, parameter: string]>([
    ['null', null, 'ids'],
    ['text', { ids: 'a,b' }, 'ids'],
    ['no ids', { ids: [] }, 'ids'],
    ['1001 ids', { ids: Array.from({ length: 1001 }, (_, i) => `a${i}`) }, 'ids'],
    ['a number', { ids: [1] }, 'ids'],
    ['a size that is text', { ids: ['a'], size: '64' }, 'size'],
  ])('refuse %s by POST', async (_, body, parameter) => {
    const problem = problemOf(await postSheet(service.url, body));
    expect(problem).toEqual({ status: 400, code: 'invalid_sheet', parameter });
  });

  it('refuse what would be too large, and say what would fit', async () => {
    const refused = await getSheet(service.url, two00, '&size=300');
    expect(problemOf(refused)).toEqual({ status: 422, code: 'sheet_too_large' });
    expect(refused.body.toString()).toContain('at most 110 ids, or tiles of at most 256 px');
    expectStatus(200, await getSheet(service.url, two00.slice(0, 110), '&size=300&format=json'));
    expectStatus(200, await getSheet(service.url, two00, '&size=256&format=json'));
  });
});

describe.each(backends)('sheets while the $name storage is away', (backend) => {
  let losable: Losable;

  beforeEach(async () => {
    losable = await startLosable(backend, { CONSTANT_STORAGE_S3_ATTEMPTS: '1', AVATAR_WARM_SIZES: '0' });
  });
  afterEach(() => losable.stop());

  it('show what is in memory, draw the rest, and are kept by nobody', async () => {
    const { url } = losable.service;
    for (const [id, color] of [
      ['known', RED],
      ['unmade', BLUE],
    ] as const)
      expectStatus(201, await new AvatarClient(url, id).upload(await plain(color)));
    const ids = ['known', 'unmade', 'stranger'];
    const map = await mapOf(url, ids.slice(0, 2));
    expectStatus(200, await getSheet(url, ['known']));
    await losable.loseStorage();

    const drawn = expectStatus(200, await getSheet(url, ids, '&default=mp'));
    expect(drawn.headers['cache-control']).toBe('no-store');
    // A browser with another copy shows the drawing too, but does not keep it in its place.
    const other = await getSheet(url, ids, '&default=mp', { 'if-none-match': '"other"' });
    expect([other.status, other.body]).toEqual([503, drawn.body]);
    const same = await getSheet(url, ids, '&default=mp', { 'if-none-match': drawn.headers.etag ?? '' });
    expect(same.status).toBe(304);
    const now = jsonOf(expectStatus(200, await getSheet(url, ids, '&format=json'))) as MapJson;
    expect(now.tiles.map((tile) => tile.default)).toEqual([false, false, null]);
    expect(now.tiles.slice(0, 2).map(({ version }) => version)).toEqual(
      map.tiles.map(({ version }) => version),
    );
    const colors = await colorsOf(drawn.body, now);
    // The master of `unmade` is in memory as well.
    expect([colors.get('known'), colors.get('unmade')]).toEqual([near(RED), near(BLUE)]);
    expect(colors.get('stranger')?.[3]).toBe(255);
    // Nobody knows whether the stranger has a picture, so nothing would be wrong.
    const refused = await getSheet(url, ids, '&default=404');
    expect(problemOf(refused)).toEqual({ status: 503, code: 'storage_unavailable' });
    await losable.regainStorage();
  });
});

describeS3('a sheet of pictures that are not in memory', () => {
  let proxy: FaultProxy;
  let service: RunningService;
  /** Finds one avatar after the other. */
  let inTurn: RunningService;
  let elsewhere: RunningService;

  beforeEach(async () => {
    const direct = { ...(await s3Environment()), AVATAR_WARM_SIZES: '0' };
    const behind = await behindProxy(direct);
    proxy = behind.proxy;
    // No call that is held times out.
    const patient = { CONSTANT_STORAGE_S3_ATTEMPTS: '1', STORAGE_S3_TIMEOUT_MS: String(10 * HANG_MS) };
    const asking = { ...behind.environment, ...patient };
    [service, inTurn, elsewhere] = await Promise.all([
      startService({ ...asking, ...KEPT }),
      startService({ ...asking, CACHE_MAX_AGE_MS: '0', CONSTANT_LOOKUP_CONCURRENCY: '1' }),
      startService(direct),
    ]);
  });
  afterEach(async () => {
    await Promise.all([service.stop(), inTurn.stop(), elsewhere.stop()]);
    await proxy.stop();
  });
  const upload = async (id: string, color: Rgb) =>
    versionOf(expectStatus(201, await new AvatarClient(elsewhere.url, id).upload(await plain(color))));

  it('does not show one that was erased while it was made', async () => {
    await upload('erased', GREEN);
    const version = await upload('slow', RED);
    const ids = ['erased', 'slow'];
    const map = await mapOf(service.url, ids);
    const asked = proxy.hold({ operation: 'GetObject', key: pictureKey('slow', version, '64.webp') });
    const answer = getSheet(service.url, ids);
    const reply = await (await asked).commitAndWait();
    // The first tile is there by now.
    while ((await made(service.url, 'rendition')) === 0) await sleep(5);
    expectStatus(200, await new AvatarClient(service.url, 'erased').erase());
    reply();
    const colors = await colorsOf(expectStatus(200, await answer).body, map);
    expect([colors.get('erased')?.[3], colors.get('slow')]).toEqual([0, near(RED)]);
  });

  it('waits, and is refused, before its pictures are loaded, or is made, or comes from memory', async () => {
    const version = await upload('slow', RED);
    const ids = ['slow', ...Array.from({ length: 15 }, (_, i) => `nobody-${i}`)];
    // As large as sheets are of which nine may be made at the same time.
    const show = '&size=512&default=404';
    await mapOf(service.url, ids, show);
    const inMemory = ids.slice(1);
    expectStatus(200, await getSheet(service.url, inMemory, show));
    const asked = proxy.hold({ operation: 'GetObject', key: pictureKey('slow', version, '80.webp') });
    const answered: Answer[] = [];
    const sheets = ids.slice(0, 11).map(async (_, first) => {
      const order = [...ids.slice(first), ...ids.slice(0, first)];
      answered.push(await getSheet(service.url, order, show));
    });
    const reply = await (await asked).commitAndWait();
    while (answered.length < 2) await sleep(5);
    expectStatus(200, await getSheet(service.url, inMemory, show));
    reply();
    await Promise.all(sheets);
    const codes = answered.map((answer) => (answer.status === 200 ? 200 : problemOf(answer).code));
    expect(codes).toEqual(['busy', 'busy', ...Array.from({ length: 9 }, () => 200)]);
  });

  it('is refused if avatars on it are erased faster than it can be made', async () => {
    const pictured = ['first', 'second', 'third'];
    for (const id of pictured) await upload(id, GREEN);
    // Without a picture, so nothing but the search for the avatars reads the manifest.
    const ids = [...pictured, 'nobody'];
    const search = () => proxy.hold({ operation: 'GetObject', key: manifestKey('nobody') });
    let asked = search();
    const answer = getSheet(inTurn.url, ids);
    for (const id of pictured) {
      // The others have been found by now.
      const reply = await (await asked).commitAndWait();
      expectStatus(200, await new AvatarClient(inTurn.url, id).erase());
      asked = search();
      reply();
    }
    expect(problemOf(await answer)).toEqual({ status: 503, code: 'busy' });
    proxy.clear();
    const sheet = expectStatus(200, await getSheet(inTurn.url, ids));
    const colors = await colorsOf(sheet.body, await mapOf(inTurn.url, ids));
    expect(ids.map((id) => colors.get(id)?.[3])).toEqual([0, 0, 0, 0]);
  });

  it('has the default in the place of one that cannot be fetched, until it can', async () => {
    await upload('far', GREEN);
    const map = await mapOf(service.url, ['far']);
    expect(map.tiles[0]?.default).toBe(false);
    proxy.rule({ fault: { type: 'error', status: 503, code: 'SlowDown' } });
    const drawn = expectStatus(200, await getSheet(service.url, ['far'], '&default=mp'));
    expect(drawn.headers['cache-control']).toBe('no-store');
    expect((await colorsOf(drawn.body, map)).get('far')).not.toEqual(near(GREEN));
    const refused = await getSheet(service.url, ['far'], '&default=404');
    expect(problemOf(refused)).toEqual({ status: 503, code: 'storage_unavailable' });
    proxy.clear();
    const back = expectStatus(200, await getSheet(service.url, ['far'], '&default=mp'));
    expect(back.headers['cache-control']).toContain('private');
    expect((await colorsOf(back.body, map)).get('far')).toEqual(near(GREEN));
  });
});

describe('a sheet with a damaged picture', () => {
  it('shows the default there, is kept by nobody, and the log says why', async () => {
    const environment: Environment = { ...(await local.environment()), ...KEPT, AVATAR_WARM_SIZES: '0' };
    const [before, after] = await Promise.all([startService(environment), startService(environment)]);
    try {
      const ids = ['damaged', 'whole'];
      for (const [id, color] of [
        ['damaged', GREEN],
        ['whole', RED],
      ] as const)
        expectStatus(201, await new AvatarClient(before.url, id).upload(await plain(color)));
      const map = await mapOf(before.url, ids);
      const key = pictureKey('damaged', map.tiles[0]?.version ?? '', 'master.jpeg');
      const file = join(environment['STORAGE_LOCAL_PATH'] ?? '', key);
      const bytes = await readFile(file);
      await writeFile(file, bytes.subarray(0, bytes.length / 2));

      const sheet = expectStatus(200, await getSheet(after.url, ids, '&default=mp'));
      expect(sheet.headers['cache-control']).toBe('no-store');
      const colors = await colorsOf(sheet.body, map);
      expect(colors.get('whole')).toEqual(near(RED));
      expect(colors.get('damaged')).not.toEqual(near(GREEN));
      await after.logged(new RegExp(`"level":50.*"id":"damaged".*${key}.*a sheet shows the default`));
      const transparent = expectStatus(200, await getSheet(after.url, ids));
      expect((await colorsOf(transparent.body, map)).get('damaged')?.[3]).toBe(0);
      expect(await mapOf(after.url, ids)).toMatchObject({ tiles: map.tiles });

      await writeFile(file, bytes);
      const mended = expectStatus(200, await getSheet(after.url, ids));
      expect(mended.headers['cache-control']).toContain('private');
      expect((await colorsOf(mended.body, map)).get('damaged')).toEqual(near(GREEN));
    } finally {
      await Promise.all([before.stop(), after.stop()]);
    }
  });

  it('shows the default of a picture that nothing can decode', async () => {
    const environment: Environment = { ...(await local.environment()), AVATAR_WARM_SIZES: '0' };
    const [before, after] = await Promise.all([startService(environment), startService(environment)]);
    try {
      const client = new AvatarClient(before.url, 'odd');
      const version = versionOf(expectStatus(201, await client.upload(await plain(GREEN))));
      const file = join(environment['STORAGE_LOCAL_PATH'] ?? '', pictureKey('odd', version, '64.webp'));
      const { body } = expectStatus(200, await client.get('?size=64&format=webp'));
      while (!(await readFile(file).catch(() => Buffer.alloc(0))).equals(body)) await sleep(5);
      // A whole container, as if somebody had restored it from a bad backup.
      await writeFile(file, Buffer.from(body).fill(0x55, 20));
      const sheet = expectStatus(200, await getSheet(after.url, ['odd', 'nobody'], '&default=mp'));
      expect(sheet.headers['cache-control']).toBe('no-store');
      const colors = await colorsOf(sheet.body, await mapOf(after.url, ['odd', 'nobody']));
      expect(colors.get('odd')).toEqual(near(colors.get('nobody') ?? []));
      await after.logged(/"level":50.*"id":"odd".*a sheet shows the default/);
    } finally {
      await Promise.all([before.stop(), after.stop()]);
    }
  });
});
