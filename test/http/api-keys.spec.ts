import { createHash } from 'node:crypto';
import { local } from '../support/local.js';
import { FORM, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { picture } from './support/pictures.js';
import { RawConnection, chunk, head } from './support/raw.js';

const KEY = 'the-right-key';
const RIGHT = { authorization: `Bearer ${KEY}` };
/** Keys as `openssl rand -base64 33` makes them, with every character that Base64 has. */
const BASE64_KEY = 'ab+/cd+/ZZ09+/+/ab+/cd+/ZZ09+/+/ab+/cd+/ZA==';
const UNAUTHORIZED = { status: 401, code: 'unauthorized' };
const SOCKET_BUFFERS = 16 * 1024 * 1024;
describe('a service with API_KEYS', () => {
  let harness: Harness;

  beforeAll(async () => {
    const sums = ['another', KEY, BASE64_KEY].map((key) => createHash('sha256').update(key).digest('hex'));
    harness = await Harness.start(
      { ...(await local.environment()), API_KEYS: sums.join(',') },
      { headers: RIGHT },
    );
  });
  afterAll(() => harness.stop());

  it.each<[name: string, headers: Record<string, string>]>([
    ['no key', {}],
    ['an empty key', { authorization: 'Bearer ' }],
    ['another key', { authorization: 'Bearer the-wrong-key' }],
    ['the beginning of the key', { authorization: `Bearer ${KEY.slice(0, -1)}` }],
    ['the sum of the key', { authorization: `Bearer ${createHash('sha256').update(KEY).digest('hex')}` }],
    ['the key by another scheme', { authorization: `Basic ${KEY}` }],
    ['the key as a parameter of no header', { 'x-api-key': KEY }],
  ])('refuses a write with %s', async (_, headers) => {
    await harness.leavesNothing(async (path) => {
      const body = await picture('png');
      const answers = [
        await harness.send({ method: 'PUT', path, headers, body }),
        await harness.send({ method: 'POST', path, headers, body }),
        await harness.send({ method: 'DELETE', path, headers }),
        await harness.send({ method: 'PUT', path: `${path}/aliases`, headers, body: '{"emails":["a@b"]}' }),
        await harness.send({ path: `${path}/aliases`, headers }),
        await harness.send({ method: 'POST', path: '/v1/avatars/lookup', headers, body: '{"ids":["a"]}' }),
      ];
      for (const answer of answers) {
        expect(problemOf(answer)).toEqual(UNAUTHORIZED);
        expect(answer.headers['www-authenticate']).toBe('Bearer');
      }
    });
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
