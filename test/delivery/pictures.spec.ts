import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import { type Answer, problemOf } from '../http/support/client.js';
import { picture } from '../http/support/pictures.js';
import { AvatarClient, expectStatus, numbered, versionOf } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { type Environment, type RunningService, startService } from '../support/service.js';

const BROWSER = { accept: 'image/avif,image/webp,image/*,*/*;q=0.8' };
const STABLE = 'public, max-age=0, must-revalidate';

describe('pictures', () => {
  let environment: Environment;
  let service: RunningService;
  let count = 0;

  beforeAll(async () => {
    environment = { ...(await local.environment()), CACHE_MAX_AGE_MS: '3600000' };
    service = await startService(environment);
  });
  afterAll(() => service.stop());

  const avatar = async (body: Buffer | Promise<Buffer>) => {
    const client = new AvatarClient(service.url, `avatar-${++count}`);
    expectStatus(201, await client.upload(await body));
    return client;
  };
  const get = (client: AvatarClient, suffix = '', headers = {}) => client.send({ suffix, headers });
  /** All that an answer says but for when and to whom. */
  const said = ({ status, headers, body }: Answer) => {
    const rest = Object.entries(headers).filter(
      ([name]) => !['date', 'x-request-id', 'connection', 'keep-alive'].includes(name),
    );
    return { status, headers: Object.fromEntries(rest), body: body.toString('base64') };
  };

  it.each([
    ['', {}],
    ['', { accept: 'image/webp,image/*' }],
    ['?size=32&format=webp', {}],
    ['?size=32&format=png', {}],
    ['?size=32&format=jpeg', {}],
    ['?size=32&format=gif', {}],
    ['?size=32&format=avif', {}],
  ])('give the same answer again, by GET and HEAD: %s %j', async (suffix, headers) => {
    const client = await avatar(numbered(++count));
    const first = said(expectStatus(200, await get(client, suffix, headers)));
    expect(first.headers).toMatchObject({
      'cache-control': STABLE,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; sandbox",
      'cross-origin-resource-policy': 'cross-origin',
      'access-control-allow-origin': '*',
      'content-disposition': expect.stringMatching(/^inline; filename="avatar\.\w+"$/) as string,
      'accept-ranges': 'bytes',
    });
    expect(first.headers['vary']).toBe(suffix === '' ? 'Accept' : undefined);
    const { format } = await sharp(Buffer.from(first.body, 'base64')).metadata();
    expect(first.headers['content-type']).toBe(`image/${format === 'heif' ? 'avif' : format}`);

    const etag = String(first.headers['etag']);
    for (let i = 0; i < 2; i++) {
      const head = said(await client.send({ method: 'HEAD', suffix, headers }));
      expect(head).toEqual({ ...first, body: '' });
      const known = said(await get(client, suffix, { ...headers, 'if-none-match': etag }));
      expect([known.status, known.body]).toEqual([304, '']);
      const once = { ...headers, 'if-none-match': etag, range: 'bytes=0-1' };
      for (const method of ['GET', 'HEAD']) {
        const unchanged = said(await client.send({ method, suffix, headers: once }));
        expect([unchanged.status, unchanged.headers]).toEqual([304, known.headers]);
      }
      for (const name of ['etag', 'cache-control', 'vary', 'access-control-allow-origin']) {
        expect(known.headers[name]).toEqual(first.headers[name]);
      }
      expect(said(await get(client, suffix, headers))).toEqual(first);
    }
  });

  it('come as AVIF for clients that accept it as soon as one is made, and as WebP until then', async () => {
    const client = await avatar(numbered(++count));
    const type = async (headers = {}) => (await get(client, '?size=32', headers)).headers['content-type'];
    expect(await type(BROWSER)).toBe('image/webp');
    while ((await type(BROWSER)) !== 'image/avif') await sleep(20);
    expect(await type(BROWSER)).toBe('image/avif');
    expect(await type({ accept: 'image/webp' })).toBe('image/webp');
    expect(await type({ accept: '*/*' })).toBe('image/jpeg');
    expect(await type()).toBe('image/jpeg');
  });

  it('stand still for clients that want less motion or less data, and always have a poster', async () => {
    const client = await avatar(picture('animatedWebp'));
    const frames = async (suffix: string, headers = {}) => {
      const answer = expectStatus(200, await get(client, suffix, headers));
      return [(await sharp(answer.body).metadata()).pages ?? 1, answer.headers.vary];
    };
    const webp = { accept: 'image/webp' };
    const all = 'Accept, Sec-CH-Prefers-Reduced-Motion, Save-Data';
    for (let i = 0; i < 2; i++) {
      expect(await frames('', webp)).toEqual([3, all]);
      expect(await frames('', { ...webp, 'sec-ch-prefers-reduced-motion': 'reduce' })).toEqual([1, all]);
      expect(await frames('', { ...webp, 'sec-ch-prefers-reduced-motion': '"reduce"' })).toEqual([1, all]);
      expect(await frames('', { ...webp, 'save-data': 'on' })).toEqual([1, all]);
      expect(await frames('?animated=false', webp)).toEqual([1, 'Accept']);
      expect(await frames('?animated=true', { ...webp, 'save-data': 'on' })).toEqual([3, 'Accept']);
      expect(await frames('?format=gif&size=32')).toEqual([3, all.slice('Accept, '.length)]);
      expect(await frames('?format=gif&size=32&animated=false')).toEqual([1, undefined]);
      expect(await frames('')).toEqual([1, all]);
    }
    const poster = await get(client, '?animated=false&size=32&format=webp');
    const [version, name] = (poster.headers.etag ?? '').replaceAll('"', '').split('/');
    expect(name).toBe('32-still.webp');
    expect((await get(client, `/${version}/${name}`)).body).toEqual(poster.body);
    for (const [wish, file] of [
      ['?animated=false&size=32', '32-still.webp'],
      ['?animated=true&size=32', '32.webp'],
      ['?size=32&format=gif', '32.gif'],
      ['?animated=false&size=32&format=auto', '32-still.webp'],
      ['?animated=false&size=32&format=png', '32.png'],
    ]) {
      const { body } = await get(client, `/url${wish}`, { accept: 'image/avif', 'save-data': 'on' });
      expect(JSON.parse(body.toString())).toMatchObject({
        url: `${service.url}${client.path}/${version}/${file}`,
      });
    }
    expectStatus(404, await get(client, `/${version}/32-still.jpeg`));
    expect(problemOf(await get(client, '?animated=maybe'))).toEqual({
      status: 400,
      code: 'invalid_animated',
      parameter: 'animated',
    });
  });

  it('come in the format that the client weighs highest, however hot they are', async () => {
    const glass = { create: { width: 48, height: 48, channels: 4 as const, background: '#08f8' } };
    const opaque = await avatar(numbered(++count));
    const transparent = await avatar(sharp(glass).png().toBuffer());
    const animated = await avatar(picture('animatedWebp'));
    for (const [accept, ...formats] of [
      ['image/png', 'png', 'png', 'png'],
      ['image/jpeg', 'jpeg', 'jpeg', 'jpeg'],
      ['image/jpeg;q=0, image/png', 'png', 'png', 'png'],
      ['image/jpeg;q=0, */*', 'png', 'png', 'png'],
      ['image/png;q=0, */*', 'jpeg', 'jpeg', 'jpeg'],
      ['image/png, image/jpeg;q=0.5', 'png', 'png', 'png'],
      ['image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5', 'jpeg', 'png', 'png'],
      ['image/webp;q=0.5, image/*', 'jpeg', 'png', 'png'],
      ['image/webp;q=2, image/*', 'jpeg', 'png', 'png'],
      ['image/webp, image/*', 'webp', 'webp', 'webp'],
      ['image/*;q=0', 'jpeg', 'png', 'png'],
      ['', 'jpeg', 'png', 'png'],
    ] as const) {
      for (let i = 0; i < 2; i++) {
        const answers = await Promise.all(
          [opaque, transparent, animated].map((client) => get(client, '', { accept })),
        );
        const types = answers.map(({ headers }) => headers['content-type']);
        expect([accept, ...types]).toEqual([accept, ...formats.map((format) => `image/${format}`)]);
        const found = await Promise.all(answers.map(({ body }) => sharp(body).metadata()));
        expect(found.map(({ format }) => format)).toEqual(formats);
      }
    }
  });

  it('are never outdated on the replica that changed them, however hot they were', async () => {
    const client = await avatar(numbered(++count));
    const etag = async (headers = {}) => (await get(client, '', headers)).headers.etag;
    const heat = async () => {
      for (let i = 0; i < 3; i++) await etag();
      return etag();
    };
    const before = await heat();
    const second = versionOf(expectStatus(201, await client.upload(await numbered(++count))));
    expect(await etag()).toBe(`"${second}/master.jpeg"`);
    expect((await get(client, '', { 'if-none-match': before })).status).toBe(200);
    const first = before?.slice(1, 37) ?? '';
    await heat();
    expectStatus(200, await client.restore(first));
    expect(await heat()).toBe(before);
    const immutable = `/${first}/master.jpeg`;
    for (let i = 0; i < 3; i++) {
      expect((await get(client, immutable)).headers['cache-control']).toBe(
        'public, max-age=31536000, immutable',
      );
    }
    expectStatus(204, await client.delete());
    expectStatus(404, await get(client));
    expectStatus(404, await get(client, immutable));
    expectStatus(200, await client.restore(second));
    await heat();
    expectStatus(200, await get(client, immutable));
    expectStatus(200, await client.erase());
    expectStatus(404, await get(client));
    expectStatus(404, await get(client, immutable));
  });
});
