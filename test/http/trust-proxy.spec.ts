import { local } from '../support/local.js';
import { type RunningService, startServices } from '../support/service.js';
import { type Answer, send } from './support/client.js';
import { picture } from './support/pictures.js';

const PATH = '/v1/avatars/me';
const HOST = 'inside:3000';

/** Each has a service of its own. */
const TRUST = {
  nobody: {},
  another: { TRUST_PROXY: '192.0.2.1' },
  one: { TRUST_PROXY: '1' },
  loopback: { TRUST_PROXY: '127.0.0.0/8,::1,10.0.0.0/8' },
  production: { NODE_ENV: 'production', API_KEYS: 'a'.repeat(64) },
  base: { TRUST_PROXY: '1', PUBLIC_BASE_URL: 'https://base.example' },
};
type Name = keyof typeof TRUST;
const NAMES = Object.keys(TRUST) as Name[];

const X = { 'x-forwarded-for': '192.0.2.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.example' };
const FORWARDED = 'for=192.0.2.9;proto=https;host=a.example';

describe('behind a proxy', () => {
  let services: RunningService[] = [];
  beforeAll(async () => {
    const environments = NAMES.map(async (name) => ({ ...(await local.environment()), ...TRUST[name] }));
    services = await startServices(await Promise.all(environments));
    const body = await picture('png');
    await Promise.all(services.map(({ url }) => send(url, { method: 'PUT', path: PATH, body })));
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const ask = (name: Name, headers: Record<string, string>, path = `${PATH}/url`): Promise<Answer> =>
    send(services[NAMES.indexOf(name)]?.url ?? '', { path, headers: { host: HOST, ...headers } });

  async function originIn(name: Name, headers: Record<string, string>): Promise<string> {
    const answer = await ask(name, headers);
    expect(answer.status).toBe(200);
    return new URL((JSON.parse(answer.body.toString()) as { url: string }).url).origin;
  }

  const OWN = `http://${HOST}`;
  it.each<[name: Name, headers: Record<string, string>, origin: string]>([
    ['nobody', X, OWN],
    ['nobody', { forwarded: FORWARDED }, OWN],
    ['another', X, OWN],
    ['another', { forwarded: FORWARDED }, OWN],
    ['base', X, 'https://base.example'],
    ['one', {}, OWN],
    ['one', X, 'https://a.example'],
    ['loopback', X, 'https://a.example'],
    ['one', { forwarded: FORWARDED }, 'https://a.example'],
    ['one', { 'x-forwarded-proto': 'https' }, `https://${HOST}`],
    ['one', { 'x-forwarded-proto': 'http, HTTPS' }, `https://${HOST}`],
    ['one', { 'x-forwarded-proto': 'gopher' }, OWN],
    ['one', { ...X, 'x-forwarded-host': 'evil.example, A.example:8443' }, 'https://a.example:8443'],
    ['one', { ...X, 'x-forwarded-host': 'evil/../x' }, `https://${HOST}`],
    ['one', { ...X, 'x-forwarded-host': 'user@evil' }, `https://${HOST}`],
    ['one', { ...X, 'x-forwarded-host': 'evil:65536' }, `https://${HOST}`],
    ['one', { forwarded: 'host="evil/x";proto=https' }, `https://${HOST}`],
    ['one', { forwarded: 'host="[2001:db8::1]:8443";proto=https' }, 'https://[2001:db8::1]:8443'],
  ])('that is trusted by %s, URLs with the headers %j start with %s', async (name, headers, origin) => {
    expect(await originIn(name, headers)).toBe(origin);
  });

  it.each<[name: Name, forwarded: string, origin: string]>([
    ['one', `host=evil.example;proto=http, ${FORWARDED}`, 'https://a.example'],
    ['loopback', `host=evil.example, ${FORWARDED}`, 'https://a.example'],
    [
      'loopback',
      `host=evil.example, ${FORWARDED}, for=10.0.0.7;host=between;proto=http`,
      'https://a.example',
    ],
    [
      'loopback',
      `host=evil.example, for=192.0.2.9, for=10.0.0.7;host=b.example;proto=https`,
      'https://b.example',
    ],
    ['loopback', `${FORWARDED}, for=unknown;host=b.example`, 'http://b.example'],
    ['one', `host=evil.example;for=", ${FORWARDED}`, OWN],
    ['one', `host=evil.example, for=192.0.2.9:1`, OWN],
  ])(
    'that is trusted by %s, of Forwarded: %s only what our proxies said counts',
    async (name, forwarded, origin) => {
      expect(await originIn(name, { forwarded })).toBe(origin);
    },
  );

  it.each<[headers: Record<string, string>, origin: string]>([
    [{ ...X, forwarded: FORWARDED }, 'https://a.example'],
    [{ ...X, forwarded: 'host=evil.example;proto=https' }, `https://${HOST}`],
    [{ ...X, forwarded: 'host=evil.example;proto=http' }, OWN],
    [{ 'x-forwarded-for': '192.0.2.9', forwarded: 'host=evil.example;proto=https' }, OWN],
    [{ 'x-forwarded-host': 'evil.example', forwarded: FORWARDED }, OWN],
    [{ ...X, forwarded: 'nonsense' }, OWN],
  ])('that sets one kind of header and passes on the other: %j', async (headers, origin) => {
    expect(await originIn('one', headers)).toBe(origin);
  });

  it('no answer with a URL is kept for readers of another host or scheme', async () => {
    const secure = await ask('one', X);
    const etag = String(secure.headers.etag);
    expect((await ask('one', { ...X, 'if-none-match': etag })).status).toBe(304);
    for (const other of [{}, { 'x-forwarded-proto': 'https' }, { ...X, 'x-forwarded-proto': 'http' }]) {
      const answer = await ask('one', { ...other, 'if-none-match': etag });
      expect([answer.status, answer.headers.etag === etag]).toEqual([200, false]);
    }
    for (const path of [`${PATH}/url`, `${PATH}/info`, '/v1/sheets?ids=me&size=32&format=json']) {
      expect((await ask('one', X, path)).headers['cache-control']).toMatch(/no-cache|private/);
    }
  });

  it('that is not named in production, the log says once what to set', () => {
    const logs = services.map(
      (service) => service.log().split('Neither PUBLIC_BASE_URL nor TRUST_PROXY').length - 1,
    );
    expect(logs).toEqual(NAMES.map((name) => (name === 'production' ? 1 : 0)));
  });

  it('hot pictures and redirects name no host', async () => {
    const paths = [PATH, '/', `${PATH}?size=32`, '/avatar/0000?d=identicon'];
    for (const path of paths) {
      await ask('one', { ...X, 'x-forwarded-host': 'first.example' }, path);
      const { status, headers } = await ask('one', X, path);
      expect([path, status < 400]).toEqual([path, true]);
      expect(JSON.stringify(headers)).not.toMatch(/\.example/);
    }
  });
});
