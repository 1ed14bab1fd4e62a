import { bearer, sumOf } from '../support/api-keys.js';
import { local } from '../support/local.js';
import { FORM, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, SOCKET_BUFFERS, chunk, head } from './support/raw.js';
import { linesWith } from '../support/log-lines.js';

const KEY = 'the-right-key';
const RIGHT = bearer(KEY);
/** Keys as `openssl rand -base64 33` makes them, with every character that Base64 has. */
const BASE64_KEY = 'ab+/cd+/ZZ09+/+/ab+/cd+/ZZ09+/+/ab+/cd+/ZA==';
const UNAUTHORIZED = { status: 401, code: 'unauthorized' };
describe('a service with API_KEYS', () => {
  let harness: Harness;

  beforeAll(async () => {
    const sums = ['another', KEY, BASE64_KEY].map(sumOf);
    harness = await Harness.start(
      { ...(await local.environment()), API_KEYS: sums.join(',') },
      { headers: RIGHT },
    );
  });
  afterAll(() => harness.stop());

  it.each<[name: string, headers: Record<string, string>]>([
    ['no key', {}],
    ['another key', { authorization: 'Bearer the-wrong-key' }],
  ])('refuses a write with %s', async (_, headers) => {
    await harness.leavesNothing(async (path) => {
      const body = await picture('png');
      const answers = [
        await harness.send({ method: 'PUT', path, headers, body }),
        await harness.send({ method: 'POST', path, headers, body }),
        await harness.send({ method: 'DELETE', path, headers }),
        await harness.send({ method: 'PUT', path: `${path}/aliases`, headers, body: '{"emails":["a@b"]}' }),
        await harness.send({ method: 'PUT', path: '/v1/aliases', headers, body: '{"avatars":[{"id":"a"}]}' }),
        await harness.send({ path: `${path}/aliases`, headers }),
        await harness.send({ method: 'POST', path: '/v1/avatars/lookup', headers, body: '{"ids":["a"]}' }),
      ];
      for (const answer of answers) expect(problemOf(answer)).toEqual(UNAUTHORIZED);
    });
  });

  it('logs one of many refusals of strangers and how many there were, each of a caller with a key, and no preflight', async () => {
    const sums = sumOf(KEY);
    const strict = await Harness.start(
      { ...(await local.environment()), API_KEYS: sums },
      { headers: RIGHT },
    );
    const { service } = strict;
    const path = '/v1/avatars/logged';
    const preflight = { origin: 'https://a.example', 'access-control-request-method': 'GET' };
    for (let i = 0; i < 5; i++) {
      const headers = { authorization: 'Bearer wrong' };
      expect((await strict.send({ method: 'PUT', path, headers, body: 'x' })).status).toBe(401);
      expect((await strict.send({ method: 'POST', path: '/nowhere', headers })).status).toBe(404);
      expect((await strict.send({ method: 'OPTIONS', path, headers: preflight })).status).toBe(204);
      expect((await strict.put(path, { body: Buffer.from('x') })).status).toBe(415);
      for (const request of [
        'hello\r\n\r\n',
        head('PUT', path, { Expect: 'tea' }),
        head('PUT', '/v1/avatars/%zz'),
      ]) {
        const connection = await RawConnection.open(service.url);
        connection.send(request);
        await connection.answer();
        connection.close();
      }
    }
    await strict.stop();
    const told = linesWith(service, '"code"').map(({ msg, code, leftOut = 0 }) =>
      [msg, code, leftOut].join(),
    );
    const left = 'more requests were refused like this one';
    const counted: Record<string, number> = {};
    for (const line of told) counted[line] = (counted[line] ?? 0) + 1;
    expect(counted).toEqual({
      'request,unauthorized,0': 1,
      [`${left},unauthorized,4`]: 1,
      'request,route_not_found,0': 1,
      [`${left},route_not_found,4`]: 1,
      'request,bad_request,0': 1,
      'no request could be read,bad_request,0': 1,
      'the expectation of a request was refused,bad_request,0': 1,
      [`${left},bad_request,4`]: 3,
      'request,unsupported_image,0': 5,
    });
    expect(service.log()).not.toContain('OPTIONS');
  });

  it('lets everybody read, and anybody with a key write', async () => {
    const path = '/v1/avatars/mine';
    expect((await harness.put(path, { body: await picture('png') })).status).toBe(201);
    for (const target of ['', '/exists', '/url', '/info']) {
      expect((await harness.send({ path: `${path}${target}` })).status).toBe(200);
    }
    for (const authorization of ['bearer another', `Bearer ${BASE64_KEY}`]) {
      expect((await harness.send({ method: 'DELETE', path, headers: { authorization } })).status).toBe(204);
    }
  });

  it.each([
    ['bare', {}],
    ['in a form', FORM],
  ])('does not read the endless body of a client without a key, %s', async (_, headers) => {
    await harness.leavesNothing(async (path) => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(head('PUT', path, { ...headers, 'Transfer-Encoding': 'chunked' }));
      expect(problemOf(await connection.answer())).toEqual(UNAUTHORIZED);
      const taken = await connection.flood(chunk(Buffer.alloc(64 * 1024, 'x')), SOCKET_BUFFERS);
      expect(taken).toBeLessThan(SOCKET_BUFFERS);
      expect(await connection.closes()).toBe(true);
    });
  });
});
