import { bearer, sumOf } from '../support/api-keys.js';
import { local } from '../support/local.js';
import { type Outgoing, problemOf } from './support/client.js';
import { Harness } from './support/harness.js';
import { RawConnection, head } from './support/raw.js';

const KEY = 'a-key';
const AUTHORIZED = bearer(KEY);
const DEEP = 20_000;

const CALLS = [
  {
    method: 'PUT',
    path: '/v1/avatars/ann/aliases',
    code: 'invalid_aliases',
    maxBytes: 96 * 1024,
    list: 'emails',
  },
  {
    method: 'PUT',
    path: '/v1/aliases',
    code: 'invalid_aliases',
    maxBytes: 1024 * 1024,
    list: 'avatars',
  },
  {
    method: 'PUT',
    path: '/v1/avatars/ann/current',
    code: 'invalid_version',
    maxBytes: 4096,
    list: 'version',
  },
  { method: 'PUT', path: '/v1/avatars/ann/alt', code: 'invalid_alt', maxBytes: 8192, list: 'alt' },
  { method: 'POST', path: '/v1/avatars/lookup', code: 'invalid_lookup', maxBytes: 512 * 1024, list: 'ids' },
] as const;

/** Valid JSON that no call takes. */
const STRANGE: [name: string, body: string][] = [
  ['null', 'null'],
  ['a number', '1e999'],
  ['a text', '"ids"'],
  ['true', 'true'],
  ['a list', '[]'],
  ['a list of lists', '[[[]]]'],
  ['an empty object', '{}'],
  ['a prototype', '{"__proto__":{"ids":["a"],"emails":["a@b"],"version":"x"}}'],
  ['fields of every object', '{"constructor":1,"toString":1,"hasOwnProperty":1,"then":1}'],
];

describe('JSON bodies', () => {
  let harness: Harness;

  beforeAll(async () => {
    const API_KEYS = sumOf(KEY);
    harness = await Harness.start({ ...(await local.environment()), API_KEYS }, { headers: AUTHORIZED });
  });
  afterAll(() => harness.stop());

  const refused = async (outgoing: Outgoing) =>
    problemOf(await harness.send({ headers: AUTHORIZED, ...outgoing }));

  describe.each(CALLS)('$method $path', ({ method, path, code, maxBytes, list }) => {
    it.each(STRANGE)('refuses %s', async (_, body) => {
      expect(await refused({ method, path, body })).toMatchObject({ status: 400, code });
    });

    it.each(['[', '{"a":'])('refuses deep nesting with %s', async (open) => {
      const depth = Math.min(DEEP, Math.floor((maxBytes - 100) / (open.length + 1)));
      const nested = `${open.repeat(depth)}1${(open === '[' ? ']' : '}').repeat(depth)}`;
      for (const body of [nested, `{"${list}":${nested}}`, `{"${list}":[${nested}]}`]) {
        expect(await refused({ method, path, body })).toMatchObject({ status: 400, code });
      }
    });

    it('refuses as many entries as the body has room for', async () => {
      // What is repeated may count once, so texts differ.
      for (const entryOf of [() => '1', (i: number) => `"${i + 100_000}"`, () => '[]', () => 'null']) {
        const count = Math.floor((maxBytes - 100) / (entryOf(0).length + 1));
        const body = `{"${list}":[${Array.from({ length: count }, (_, i) => entryOf(i)).join()}]}`;
        expect(await refused({ method, path, body })).toEqual({ status: 400, code, parameter: list });
      }
    });

    it.each(['', '{', '{"ids":["a"],}', "{'ids':[]}", 'NaN'])(
      'refuses %j, which is not JSON',
      async (body) => {
        expect(await refused({ method, path, body })).toEqual({ status: 400, code: 'invalid_json' });
      },
    );

    it('asks for a key before it reads the body', async () => {
      const connection = await RawConnection.open(harness.service.url);
      connection.send(`${head(method, path, { 'Content-Length': 100 })}{`);
      expect(problemOf(await connection.answer())).toEqual({ status: 401, code: 'unauthorized' });
      connection.close();
    });
  });

  it.each(CALLS)(
    'are refused for a field that $method $path does not know',
    async ({ method, path, code }) => {
      for (const field of ['extra', '__proto__', 'code', 'maxBytes', 'constructor', 'ifFree']) {
        const body = `{"${field}":{"deep":[1]}}`;
        expect(await refused({ method, path, body })).toEqual({ status: 400, code, parameter: field });
      }
      const body = JSON.stringify({ ['x'.repeat(1000)]: 1 });
      expect(await refused({ method, path, body })).toEqual({ status: 400, code, parameter: 'x'.repeat(80) });
    },
  );

  it('are not waited for if the id is refused', async () => {
    const invalidId = { status: 400, code: 'invalid_id', parameter: 'id' };
    for (const path of ['/v1/avatars/~/aliases', '/v1/avatars/~/current']) {
      for (const body of ['{', '{}', '{"version":1}']) {
        expect(await refused({ method: 'PUT', path, body })).toEqual(invalidId);
      }
      const connection = await RawConnection.open(harness.service.url);
      connection.send(`${head('PUT', path, { ...AUTHORIZED, 'Content-Length': 100 })}{`);
      expect(problemOf(await connection.answer())).toEqual(invalidId);
      expect(await connection.closes()).toBe(true);
    }
  });
});
