import sharp from 'sharp';
import { problemOf } from '../http/support/client.js';
import { PLACEHOLDER_KINDS } from '../../src/model/placeholder-kinds.js';
import { AvatarClient, expectStatus, numbered } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { type RunningService, startService } from '../support/service.js';

describe('an avatar without a picture', () => {
  let service: RunningService;

  beforeAll(async () => {
    service = await startService({
      ...(await local.environment()),
      AVATAR_DEFAULT: 'identicon',
      AVATAR_DEFAULT_URLS: 'https://img.example/avatars',
      CDN_PURGE: 'http',
      CDN_HTTP_URL: 'http://127.0.0.1:1/{tag}',
    });
  });
  afterAll(() => service.stop());

  const nobody = () => new AvatarClient(service.url, 'nobody');

  it.each([...PLACEHOLDER_KINDS, 'mm'])(
    'is shown as %s, the same each time, in any size and format',
    async (kind) => {
      const suffix = `?default=${kind}&size=60&format=png`;
      const first = expectStatus(200, await nobody().get(suffix));
      expect(await sharp(first.body).metadata()).toMatchObject({ format: 'png', width: 64, height: 64 });
      const again = await nobody().get(suffix);
      expect([again.body, again.headers.etag]).toEqual([first.body, first.headers.etag]);
      const known = await nobody().send({ suffix, headers: { 'if-none-match': first.headers.etag } });
      expect(known.status).toBe(304);
      const { format } = await sharp((await nobody().get(`?default=${kind}&format=webp`)).body).metadata();
      expect(format).toBe('webp');
    },
  );

  it('is shown as the settings say, negotiated like pictures, and as 404 if that is requested', async () => {
    const set = expectStatus(200, await nobody().get());
    expect([set.headers['content-type'], set.headers.vary]).toEqual([
      'image/png',
      'Accept, Sec-CH-Prefers-Color-Scheme',
    ]);
    const browser = await nobody().send({ headers: { accept: 'image/avif,image/webp,*/*' } });
    expect(browser.headers['content-type']).toBe('image/webp');
    expect(problemOf(await nobody().get('?default=404'))).toEqual({ status: 404, code: 'avatar_not_found' });
  });

  it('has the requested initials, colour and scheme', async () => {
    const drawn = async (query: string) => (await nobody().get(`?default=initials&format=png&${query}`)).body;
    const all = ['name=Ada%20Lovelace', 'initials=XY', 'color=ff0000', 'scheme=dark', ''];
    const bodies = await Promise.all(all.map(drawn));
    expect(new Set(bodies.map((body) => body.toString('base64'))).size).toBe(all.length);
  });

  it('is at an allowed URL, by GET and HEAD, with the headers of a current picture', async () => {
    const url = 'https://img.example/avatars/nobody.png?a=b';
    const suffix = `?default=${encodeURIComponent(url)}&size=64`;
    const drawn = (await nobody().get()).headers;
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await nobody().send({ method, suffix });
      expect([status, headers.location, body.length]).toEqual([302, url, 0]);
      const shared = ['cache-control', 'cache-tag', 'surrogate-key', 'access-control-allow-origin'];
      for (const name of shared) expect([name, headers[name]]).toEqual([name, drawn[name]]);
      expect(headers['cache-tag']).toMatch(/^avatar-/);
    }
    const client = new AvatarClient(service.url, 'somebody-else');
    expectStatus(201, await client.upload(await numbered(1)));
    expectStatus(200, await client.get(suffix));
  });

  it.each([
    'https://img.example/',
    'https://img.example/avatars/../other.png',
    'https://evil.example/avatars/a.png',
    'https://img.example@evil.example/avatars',
    'http://img.example/avatars',
    '//img.example/avatars',
    'javascript:alert(1)',
    '',
  ])('is never at %j, and the refusal names the setting', async (url) => {
    const answer = await nobody().get(`?default=${encodeURIComponent(url)}`);
    expect(problemOf(answer)).toEqual({ status: 400, code: 'invalid_default', parameter: 'default' });
    expect((JSON.parse(answer.body.toString()) as { detail: string }).detail).toContain(
      'AVATAR_DEFAULT_URLS',
    );
  });

  it.each([
    'default=nonsense',
    'scheme=blue',
    'color=red',
    `name=${'x'.repeat(300)}`,
    'default=mp&default=mp',
  ])('refuses %s', async (query) => {
    const [parameter] = query.split('=');
    expect(problemOf(await nobody().get(`?${query}`))).toEqual({
      status: 400,
      code: 'invalid_default',
      parameter,
    });
  });

  it('gives way to a picture as soon as there is one, and comes back when it is deleted', async () => {
    const client = new AvatarClient(service.url, 'somebody');
    const drawn = (await client.get()).headers.etag;
    for (let i = 0; i < 3; i++) await client.get();
    expectStatus(201, await client.upload(await numbered(1)));
    expect((await client.get()).headers.etag).toMatch(/master/);
    expectStatus(204, await client.delete());
    expect((await client.get()).headers.etag).toBe(drawn);
    expectStatus(404, await client.get('/info'));
  });
});
