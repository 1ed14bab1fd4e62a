import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Answer, type Outgoing, problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import type { History } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { bearer, item, sumOf } from '../support/api-keys.js';
import { type Forgery, SIGNING_KEY, forgeTicket } from '../support/tickets.js';

const ID = 'shop-alice';
const PATH = `/v1/avatars/${ID}`;

/** The scopes of keys whose text is their name. Those with a prefix may do everything with some avatars. */
const KEYS = {
  list: { scopes: 'read' },
  app: { scopes: 'write' },
  both: { scopes: 'read+write' },
  jobs: { scopes: 'admin' },
  shop: { scopes: 'admin', prefix: 'shop-' },
  forum: { scopes: 'admin', prefix: 'forum-' },
} as const;
/** An item of API_KEYS that is only a sum. */
const BARE = 'a-bare-key';

/** What comes of a call with a credential: `WWW-Authenticate` and a code, or nothing if the guard lets it pass. */
interface Refusal {
  code: 'unauthorized' | 'insufficient_scope' | 'ticket_expired';
  challenge: string;
}

const NOTHING_SENT: Refusal = { code: 'unauthorized', challenge: 'Bearer realm="visage"' };
const UNKNOWN: Refusal = {
  code: 'unauthorized',
  challenge: 'Bearer realm="visage", error="invalid_token"',
};
const EXPIRED: Refusal = { ...UNKNOWN, code: 'ticket_expired' };
const OTHER_IDS: Refusal = {
  code: 'insufficient_scope',
  challenge: 'Bearer realm="visage", error="insufficient_scope"',
};
const lacks = (scope: string): Refusal => ({
  code: 'insufficient_scope',
  challenge: `Bearer realm="visage", error="insufficient_scope", scope="${scope}"`,
});

interface Row {
  needs: 'public' | 'read' | 'write' | 'admin';
  /** What the same path needs without the query. */
  atLeast?: 'write';
  /** What a ticket has to be for, if one does. */
  ticket?: 'upload' | 'remove' | 'restore';
  /** Its statuses once it has passed. */
  passes: readonly number[];
  /** A request of the route, for an avatar that has a version. */
  request: (version: string) => Omit<Outgoing, 'method'>;
  /** Whether it is about avatars in its body, and refuses those that a key is not for one by one. */
  byEntry?: true;
}

const open = (path: string, ...passes: number[]): Row => ({
  needs: 'public',
  passes,
  request: () => ({ path }),
});
const at = (suffix: string, body?: object) => () => ({
  path: `${PATH}${suffix}`,
  ...(body && { body: JSON.stringify(body) }),
});
let image: Buffer;
const upload = () => ({ path: PATH, body: image });

/** Every route of the service, and DELETE twice: what it does depends on the query. */
const ROWS: Record<string, Row> = {
  'GET /': open('/', 302),
  'GET /docs': open('/docs', 200),
  'GET /docs/': open('/docs/', 200),
  'GET /docs/index.html': open('/docs/index.html', 200),
  'GET /docs/LICENSE': open('/docs/LICENSE', 404),
  'GET /docs/swagger-ui-init.js': open('/docs/swagger-ui-init.js', 200),
  'GET /docs/docs/swagger-ui-init.js': open('/docs/docs/swagger-ui-init.js', 200),
  'GET /docs-json': open('/docs-json', 200),
  'GET /health/live': open('/health/live', 200),
  'GET /health/ready': open('/health/ready', 200),
  'GET /metrics': open('/metrics', 200),
  'GET /avatar': open('/avatar', 400),
  'GET /avatar/': open('/avatar/', 200),
  'GET /avatar/:hash': open(`/avatar/${'a'.repeat(32)}`, 200),
  'OPTIONS /avatar': open('/avatar', 200),
  'OPTIONS /avatar/': open('/avatar/', 200),
  'OPTIONS /avatar/:hash': open(`/avatar/${'a'.repeat(32)}`, 200),
  'GET /v1/avatars/:id': open(PATH, 200),
  'GET /v1/avatars/:id/exists': open(`${PATH}/exists`, 200),
  'GET /v1/avatars/:id/url': open(`${PATH}/url`, 200),
  'GET /v1/avatars/:id/info': open(`${PATH}/info`, 200),
  'GET /v1/avatars/:id/:version/:rendition': {
    needs: 'public',
    passes: [200],
    request: (version) => ({ path: `${PATH}/${version}/32.webp` }),
  },
  'GET /v1/sheets': open(`/v1/sheets?ids=${ID}`, 200),
  'POST /v1/sheets': {
    needs: 'read',
    passes: [200],
    request: () => ({ path: '/v1/sheets', body: JSON.stringify({ ids: [ID] }) }),
  },
  'POST /v1/avatars/lookup': {
    needs: 'read',
    passes: [200],
    byEntry: true,
    request: () => ({ path: '/v1/avatars/lookup', body: JSON.stringify({ ids: [ID] }) }),
  },
  'GET /v1/avatars/:id/versions': {
    needs: 'read',
    ticket: 'restore',
    passes: [200],
    request: at('/versions'),
  },
  'GET /v1/avatars/:id/aliases': { needs: 'read', passes: [200], request: at('/aliases') },
  'PUT /v1/avatars/:id/aliases': {
    needs: 'write',
    passes: [200],
    request: at('/aliases', { emails: ['alice@example.org'] }),
  },
  'PUT /v1/aliases': {
    needs: 'write',
    passes: [200],
    byEntry: true,
    request: () => ({
      path: '/v1/aliases',
      body: JSON.stringify({ avatars: [{ id: ID, emails: ['alice@example.org'] }] }),
    }),
  },
  'PUT /v1/avatars/:id': { needs: 'write', ticket: 'upload', passes: [200, 201], request: upload },
  'POST /v1/avatars/:id': { needs: 'write', ticket: 'upload', passes: [200, 201], request: upload },
  'POST /v1/avatars/:id/tickets': { needs: 'write', passes: [201], request: at('/tickets', {}) },
  'PUT /v1/avatars/:id/current': {
    needs: 'write',
    ticket: 'restore',
    passes: [200],
    request: (version) => at('/current', { version })(),
  },
  'PUT /v1/avatars/:id/alt': { needs: 'write', passes: [200], request: at('/alt', { alt: 'me' }) },
  'DELETE /v1/avatars/:id': { needs: 'write', ticket: 'remove', passes: [204], request: at('') },
  'PUT /v1/avatars/:id/lock': { needs: 'admin', passes: [200], request: at('/lock', { locked: false }) },
  'DELETE /v1/avatars/:id/versions/:version': {
    needs: 'admin',
    passes: [200],
    request: (version) => at(`/versions/${version}`)(),
  },
  'DELETE /v1/avatars/:id?erase=true': {
    needs: 'admin',
    atLeast: 'write',
    ticket: 'remove',
    passes: [200],
    request: at('?erase=true'),
  },
};

type Headers = Record<string, string>;

/** A ticket for the avatar, but for one thing. */
const ticket =
  (forgery: Forgery = {}) =>
  async () =>
    bearer(await forgeTicket(ID, forgery));
/** One with other parts than those that were signed. */
const tampered = (part: 0 | 1, changes: object) => async () => {
  const parts = (await forgeTicket(ID, { claims: { maxBytes: 9, origin: 'https://a.example' } })).split('.');
  const fields = JSON.parse(Buffer.from(parts[part] ?? '', 'base64url').toString()) as object;
  parts[part] = Buffer.from(JSON.stringify({ ...fields, ...changes })).toString('base64url');
  return bearer(parts.join('.'));
};
const unsigned = async () => {
  const { authorization } = await tampered(0, { alg: 'none' })();
  return { authorization: authorization.replace(/[^.]+$/, '') };
};

/** Headers by the name of a credential, and what comes of it in a row. */
const COLUMNS: Record<
  string,
  [headers: Headers | (() => Promise<Headers>), refusal: (row: Row) => Refusal | undefined]
> = {
  'no credential': [{}, () => NOTHING_SENT],
  'a key by Basic': [{ authorization: 'Basic jobs' }, () => NOTHING_SENT],
  'an empty key': [{ authorization: 'Bearer ' }, () => NOTHING_SENT],
  'two keys': [{ authorization: 'Bearer jobs jobs' }, () => NOTHING_SENT],
  'an unknown key': [bearer('nobody'), () => UNKNOWN],
  'the sum of a key': [bearer(sumOf('jobs')), () => UNKNOWN],
  'an item of API_KEYS': [bearer(item('jobs', 'admin')), () => UNKNOWN],
  'the name of a bare sum': [bearer('key7'), () => UNKNOWN],
  list: [bearer('list'), ({ needs, atLeast = needs }) => (needs === 'read' ? undefined : lacks(atLeast))],
  app: [bearer('app'), ({ needs }) => (needs === 'write' ? undefined : lacks(needs))],
  both: [bearer('both'), ({ needs }) => (needs === 'admin' ? lacks(needs) : undefined)],
  jobs: [bearer('jobs'), () => undefined],
  shop: [bearer('shop'), () => undefined],
  forum: [bearer('forum'), () => OTHER_IDS],
  'a bare sum': [bearer(BARE), () => undefined],
  'a ticket': [
    ticket(),
    ({ ticket: action, atLeast, needs }) => (action && !atLeast ? undefined : lacks(needs)),
  ],
  'a ticket for another avatar': [
    async () => bearer(await forgeTicket('shop-bob')),
    ({ ticket: action, needs }) => (action ? OTHER_IDS : lacks(needs)),
  ],
  'a ticket to upload': [
    ticket({ claims: { may: ['upload'] } }),
    ({ ticket: action, atLeast, needs }) => (action === 'upload' ? undefined : lacks(atLeast ?? needs)),
  ],
  'a ticket to remove': [
    ticket({ claims: { may: ['remove'] } }),
    ({ ticket: action, atLeast, needs }) => (action === 'remove' && !atLeast ? undefined : lacks(needs)),
  ],
  'a ticket to do what no release knows': [
    ticket({ claims: { may: ['fly', 'admin', 'write'] } }),
    ({ atLeast, needs }) => lacks(atLeast ?? needs),
  ],
  'an expired ticket': [ticket({ claims: { exp: 1_700_000_000 } }), () => EXPIRED],
  'a ticket without an end': [ticket({ claims: { exp: undefined } }), () => UNKNOWN],
  'a ticket without an avatar': [ticket({ claims: { sub: undefined } }), () => UNKNOWN],
  'a ticket without a name': [ticket({ claims: { jti: undefined } }), () => UNKNOWN],
  'a ticket whose name has no time': [
    ticket({ claims: { jti: '6ba7b810-9dad-41d1-80b4-00c04fd430c8' } }),
    () => UNKNOWN,
  ],
  'a ticket to do nothing': [ticket({ claims: { may: undefined } }), () => UNKNOWN],
  'a ticket with an odd limit': [ticket({ claims: { maxBytes: '1' } }), () => UNKNOWN],
  'a ticket with an odd origin': [ticket({ claims: { origin: 1 } }), () => UNKNOWN],
  'a ticket for another service': [ticket({ claims: { aud: 'others' } }), () => UNKNOWN],
  'a ticket for nobody': [ticket({ claims: { aud: undefined } }), () => UNKNOWN],
  'a ticket of another type': [ticket({ header: { typ: 'JWT' } }), () => UNKNOWN],
  'a ticket of no type': [ticket({ header: { typ: undefined } }), () => UNKNOWN],
  'a ticket of another algorithm': [ticket({ header: { alg: 'HS512' } }), () => UNKNOWN],
  'a ticket by another key': [ticket({ key: 'another-secret-that-signs-what-it-may' }), () => UNKNOWN],
  'a ticket that nobody signed': [unsigned, () => UNKNOWN],
  'a ticket with another avatar': [tampered(1, { sub: 'shop-bob' }), () => UNKNOWN],
  'a ticket with more to do': [tampered(1, { may: ['upload', 'remove', 'restore', 'admin'] }), () => UNKNOWN],
  'a ticket with another name': [tampered(1, { jti: '019e0a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b' }), () => UNKNOWN],
  'a ticket with another end': [tampered(1, { exp: 9_999_999_999 }), () => UNKNOWN],
  'a ticket with another limit': [tampered(1, { maxBytes: 10 }), () => UNKNOWN],
  'a ticket with another origin': [tampered(1, { origin: 'https://b.example' }), () => UNKNOWN],
  'a ticket with another header': [tampered(0, { kid: 'x' }), () => UNKNOWN],
};

describe('every route, with every credential', () => {
  let harness: Harness;

  beforeAll(async () => {
    image = await picture('png');
    const keys = Object.entries(KEYS).map(([name, { scopes, ...limit }]) =>
      item(name, scopes, 'prefix' in limit ? limit.prefix : undefined),
    );
    harness = await Harness.start(
      { ...(await local.environment()), API_KEYS: [...keys, sumOf(BARE)].join(), SIGNING_KEYS: SIGNING_KEY },
      { headers: bearer('jobs') },
    );
  });
  afterAll(() => harness.stop());

  it('has a row for every route', async () => {
    const environment = { ...process.env, ...(await local.environment()) };
    const child = await promisify(execFile)('node', ['test/access/support/routes.mjs'], { env: environment });
    const routes = (JSON.parse(child.stdout) as string[]).filter((route) => !route.startsWith('HEAD '));
    const rows = Object.keys(ROWS).map((route) => route.replace(/\?.*/, ''));
    expect([...new Set(rows)].sort()).toEqual([...new Set(routes)].sort());
  });

  it.each(Object.keys(ROWS))('%s', async (route) => {
    const row = ROWS[route];
    if (!row) throw new Error('there is no such row');
    const [method = ''] = route.split(' ');
    const version = await uploaded();
    const call = async (credential: Headers | (() => Promise<Headers>)) => {
      const headers = typeof credential === 'function' ? await credential() : credential;
      const request = row.request(version);
      const methods = method === 'GET' ? ['GET', 'HEAD'] : [method];
      return Promise.all(methods.map((one) => harness.send({ ...request, method: one, headers })));
    };
    const columns = Object.entries(COLUMNS).map(([name, [headers, refusal]]) => {
      const expected = row.needs === 'public' ? undefined : refusal(row);
      return { name, headers, expected };
    });
    const expectRefused = async ({ name, headers, expected }: (typeof columns)[number]) => {
      const [answer, head = answer] = await call(headers);
      if (answer === undefined || head === undefined || expected === undefined) throw new Error('no answer');
      if (row.byEntry && expected === OTHER_IDS) {
        expect([name, answer.status, codesOfEntries(answer)]).toEqual([name, 200, ['insufficient_scope']]);
        return;
      }
      const { status, code } = problemOf(answer);
      const wanted = expected.code === 'insufficient_scope' ? 403 : 401;
      expect([name, status, code, answer.headers['www-authenticate']]).toEqual([
        name,
        wanted,
        expected.code,
        expected.challenge,
      ]);
      expect(head.status).toBe(wanted);
    };
    const expectPassed = async ({ name, headers }: (typeof columns)[number]) => {
      for (const { status, headers: sent } of await call(headers)) {
        expect([name, row.passes.includes(status) ? 'passes' : status]).toEqual([name, 'passes']);
        expect(sent).not.toHaveProperty('www-authenticate');
      }
    };
    const before = await state();
    await Promise.all(columns.filter(({ expected }) => expected).map(expectRefused));
    expect(await state()).toEqual(before);
    const passing = columns.filter(({ expected }) => !expected);
    if (row.needs === 'public') await Promise.all(passing.map(expectPassed));
    else for (const column of passing) await expectPassed(column);
  });

  async function uploaded(): Promise<string> {
    const answer = await harness.put(PATH, { body: image });
    return (JSON.parse(answer.body.toString()) as { version: string }).version;
  }

  /** Everything that is known of the avatar. */
  async function state(): Promise<unknown> {
    const read = async (path: string) =>
      JSON.parse((await harness.send({ path, headers: bearer('jobs') })).body.toString()) as History;
    return [await read(`${PATH}/versions`), await read(`${PATH}/aliases`)];
  }
});

/** The codes of what an answer tells of each avatar. */
function codesOfEntries({ body }: Answer): (string | undefined)[] {
  const { avatars } = JSON.parse(body.toString()) as {
    avatars: Record<string, { error?: { code: string } }>;
  };
  return Object.values(avatars).map(({ error }) => error?.code);
}
