import { sumOf } from '../support/api-keys.js';
import { local } from '../support/local.js';
import { type RunningService, startServices } from '../support/service.js';
import { type Outgoing, fileForm, problemOf, send } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, head } from './support/raw.js';

const FOREIGN = { status: 403, code: 'foreign_origin' };
const KEPT = '/v1/avatars/kept';
const EVIL = { origin: 'https://evil.example' };
const JSON_BODY = { 'content-type': 'application/json' };

describe('without API_KEYS, a page of another origin', () => {
  let harness: Harness;
  let image: Buffer;
  let version = '';
  beforeAll(async () => {
    harness = await Harness.start(await local.environment());
    image = await picture('png');
    await harness.put(KEPT, { body: image });
    const { body } = await harness.send({ path: `${KEPT}/info` });
    version = (JSON.parse(body.toString()) as { version: string }).version;
  });
  afterAll(() => harness.service.stop());

  const writes = (path: string): Outgoing[] => [
    { method: 'POST', path, ...fileForm(image) },
    { method: 'PUT', path, ...fileForm(image) },
    { method: 'PUT', path, body: image },
    { method: 'POST', path, body: image, headers: { 'content-type': 'text/plain' } },
    { method: 'DELETE', path: KEPT },
    { method: 'DELETE', path: `${KEPT}?erase=true` },
    { method: 'PUT', path: `${KEPT}/current`, body: JSON.stringify({ version }), headers: JSON_BODY },
    { method: 'PUT', path: `${KEPT}/aliases`, body: '{"emails":["a@b.example"]}', headers: JSON_BODY },
    { method: 'PUT', path: `${KEPT}/alt`, body: '{"alt":"x"}', headers: JSON_BODY },
    { method: 'POST', path: '/v1/avatars/lookup', body: '{"ids":["a"]}', headers: JSON_BODY },
  ];

  it.each<[name: string, headers: Record<string, string>]>([
    ['another site', EVIL],
    ['nowhere, such as a file', { origin: 'null' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['a name of another site that leads here', { host: 'evil.example', origin: 'http://evil.example' }],
    ['another site, by Sec-Fetch-Site alone', { 'sec-fetch-site': 'cross-site' }],
    ['another port, by Sec-Fetch-Site alone', { 'sec-fetch-site': 'same-site' }],
  ])('changes nothing: %s', async (_, headers) => {
    await harness.leavesNothing(async (path) => {
      for (const write of writes(path)) {
        const answer = await harness.send({ ...write, headers: { ...write.headers, ...headers } });
        expect([write.method, write.path, problemOf(answer)]).toEqual([write.method, write.path, FOREIGN]);
        expect(answer.body.toString()).toContain('API_KEYS');
      }
    });
    expect((await harness.send({ path: KEPT })).status).toBe(200);
  });

  it('is refused before its body is read', async () => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('POST', path, { Origin: EVIL.origin, 'Transfer-Encoding': 'chunked' }));
      expect(problemOf(await connection.answer())).toEqual(FOREIGN);
      connection.close();
    });
  });

  it('may read', async () => {
    for (const path of [KEPT, `${KEPT}/info`, '/health/live']) {
      expect((await harness.send({ path, headers: EVIL })).status).toBe(200);
    }
  });
});

/** Each has a service of its own. */
const SETTINGS = {
  plain: {},
  keys: { API_KEYS: sumOf('key') },
  base: { PUBLIC_BASE_URL: 'https://avatars.example/base' },
  proxy: { TRUST_PROXY: '1' },
};
type Name = keyof typeof SETTINGS;
const NAMES = Object.keys(SETTINGS) as Name[];

describe('a page of the own origin', () => {
  let services: RunningService[] = [];
  beforeAll(async () => {
    const environments = NAMES.map(async (name) => ({ ...(await local.environment()), ...SETTINGS[name] }));
    services = await startServices(await Promise.all(environments));
  });
  afterAll(() => Promise.all(services.map((service) => service.stop())));

  const HTTPS = { 'x-forwarded-proto': 'https' };
  it.each<[name: Name, headers: Record<string, string>, status: number]>([
    ['plain', {}, 201],
    ['plain', { 'sec-fetch-site': 'none' }, 201],
    ['plain', { host: '127.0.0.1:3000', origin: 'http://127.0.0.1:3000' }, 201],
    ['plain', { host: 'localhost:80', origin: 'http://localhost' }, 201],
    ['plain', { host: '[::1]:3000', origin: 'http://[::1]:3000' }, 201],
    ['plain', { host: 'Visage:3000', origin: 'http://visage:3000', 'sec-fetch-site': 'same-origin' }, 201],
    ['plain', { host: 'a.localhost', origin: 'http://a.localhost' }, 201],
    ['plain', { host: 'localhost', origin: 'https://localhost' }, 403],
    ['plain', { host: 'localhost', origin: 'https://localhost', ...HTTPS }, 403],
    ['plain', { host: '256.0.0.1', origin: 'http://256.0.0.1' }, 403],
    ['base', { host: 'inside', origin: 'https://avatars.example' }, 201],
    ['base', { host: 'inside', origin: 'http://avatars.example' }, 403],
    ['proxy', { host: 'a.example', origin: 'https://a.example', ...HTTPS }, 201],
    ['proxy', { host: 'a.example', origin: 'http://a.example' }, 403],
    ['keys', { ...EVIL, authorization: 'Bearer key' }, 201],
    ['keys', EVIL, 401],
  ])('writes to %s with the headers %j: %i', async (name, headers, status) => {
    const base = services[NAMES.indexOf(name)]?.url ?? '';
    const path = '/v1/avatars/own';
    const answer = await send(base, { method: 'PUT', path, body: await picture('png'), headers });
    expect([200, 201].includes(answer.status) ? 201 : answer.status).toBe(status);
  });
});
