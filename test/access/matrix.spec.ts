import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Answer, type Outgoing, problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import type { History } from '../support/avatar-client.js';
import { local } from '../support/local.js';
import { bearer, item, sumOf } from '../support/api-keys.js';

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
  code: 'unauthorized' | 'insufficient_scope';
  challenge: string;
}

const NOTHING_SENT: Refusal = { code: 'unauthorized', challenge: 'Bearer realm="visage"' };
const UNKNOWN: Refusal = {
  code: 'unauthorized',
  challenge: 'Bearer realm="visage", error="invalid_token"',
};
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
  'GET /docs-yaml': open('/docs-yaml', 200),
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
  'GET /v1/avatars/:id/versions': { needs: 'read', passes: [200], request: at('/versions') },
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
  'PUT /v1/avatars/:id': { needs: 'write', passes: [200, 201], request: upload },
  'POST /v1/avatars/:id': { needs: 'write', passes: [200, 201], request: upload },
  'PUT /v1/avatars/:id/current': {
    needs: 'write',
    passes: [200],
    request: (version) => at('/current', { version })(),
  },
  'PUT /v1/avatars/:id/alt': { needs: 'write', passes: [200], request: at('/alt', { alt: 'me' }) },
  'DELETE /v1/avatars/:id': { needs: 'write', passes: [204], request: at('') },
  'PUT /v1/avatars/:id/lock': { needs: 'admin', passes: [200], request: at('/lock', { locked: false }) },
  'DELETE /v1/avatars/:id/versions/:version': {
    needs: 'admin',
    passes: [200],
    request: (version) => at(`/versions/${version}`)(),
  },
  'DELETE /v1/avatars/:id?erase=true': {
    needs: 'admin',
    atLeast: 'write',
    passes: [200],
    request: at('?erase=true'),
  },
};

/** Headers by the name of a credential, and what comes of it in a row. */
const COLUMNS: Record<string, [headers: Record<string, string>, refusal: (row: Row) => Refusal | undefined]> =
  {
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
  };

describe('every route, with every credential', () => {
  let harness: Harness;

  beforeAll(async () => {
    image = await picture('png');
    const keys = Object.entries(KEYS).map(([name, { scopes, ...limit }]) =>
      item(name, scopes, 'prefix' in limit ? limit.prefix : undefined),
    );
    harness = await Harness.start(
      { ...(await local.environment()), API_KEYS: [...keys, sumOf(BARE)].join() },
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
    const call = (headers: Record<string, string>) => {
      const request = row.request(version);
      const methods = method === 'GET' ? ['GET', 'HEAD'] : [method];
      return Promise.all(methods.map((one) => harness.send({ ...request, method: one, headers })));
    };
    const columns = Object.entries(COLUMNS).map(([name, [headers, refusal]]) => {
      const expected = row.needs === 'public' ? undefined : refusal(row);
      return { name, headers, expected };
    });
    const before = await state();
    for (const { name, headers, expected } of columns.filter((column) => column.expected)) {
      const [answer, head = answer] = await call(headers);
      if (answer === undefined || head === undefined || expected === undefined) throw new Error('no answer');
      if (row.byEntry && expected === OTHER_IDS) {
        expect([name, answer.status, codesOfEntries(answer)]).toEqual([name, 200, ['insufficient_scope']]);
        continue;
      }
      const { status, code } = problemOf(answer);
      const wanted = expected.code === 'unauthorized' ? 401 : 403;
      expect([name, status, code, answer.headers['www-authenticate']]).toEqual([
        name,
        wanted,
        expected.code,
        expected.challenge,
      ]);
      expect(head.status).toBe(wanted);
    }
    expect(await state()).toEqual(before);
    for (const { name, headers } of columns.filter((column) => !column.expected)) {
      for (const { status, headers: sent } of await call(headers)) {
        expect([name, row.passes.includes(status) ? 'passes' : status]).toEqual([name, 'passes']);
        expect(sent).not.toHaveProperty('www-authenticate');
      }
    }
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
