import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Answer, problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { bearer } from '../support/api-keys.js';
import type { History } from '../support/avatar-client.js';
import { Issuer } from '../support/issuer.js';
import { local } from '../support/local.js';
import { SIGNING_KEY } from '../support/tickets.js';
import { API_KEYS, type Column, KEYS_AND_TICKETS, OTHER_IDS } from './support/columns.js';
import { PATH, ROWS } from './support/rows.js';
import { tokensOf } from './support/token-columns.js';

describe('every route, with every credential', () => {
  let harness: Harness;
  let issuer: Issuer;
  let columns: [name: string, column: Column][];

  beforeAll(async () => {
    issuer = await Issuer.start();
    harness = await Harness.start(
      { ...(await local.environment()), ...issuer.environment, API_KEYS, SIGNING_KEYS: SIGNING_KEY },
      { headers: bearer('jobs') },
    );
    columns = Object.entries({ ...KEYS_AND_TICKETS, ...(await tokensOf(issuer)) });
  });
  afterAll(async () => {
    await harness.stop();
    issuer.stop();
  });

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
    const call = async (credential: Column[0]) => {
      const headers = typeof credential === 'function' ? await credential() : credential;
      const request = row.request(version);
      const methods = method === 'GET' ? ['GET', 'HEAD'] : [method];
      return Promise.all(methods.map((one) => harness.send({ ...request, method: one, headers })));
    };
    const cells = columns.map(([name, [headers, refusal]]) => {
      const expected = row.needs === 'public' ? undefined : refusal(row);
      return { name, headers, expected };
    });
    const expectRefused = async ({ name, headers, expected }: (typeof cells)[number]) => {
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
    const expectPassed = async ({ name, headers }: (typeof cells)[number]) => {
      for (const { status, headers: sent } of await call(headers)) {
        expect([name, row.passes.includes(status) ? 'passes' : status]).toEqual([name, 'passes']);
        expect(sent).not.toHaveProperty('www-authenticate');
      }
    };
    const before = await state();
    await Promise.all(cells.filter(({ expected }) => expected).map(expectRefused));
    expect(await state()).toEqual(before);
    const passing = cells.filter(({ expected }) => !expected);
    if (row.needs === 'public') await Promise.all(passing.map(expectPassed));
    else for (const cell of passing) await expectPassed(cell);
  });

  async function uploaded(): Promise<string> {
    const answer = await harness.put(PATH, { body: await picture('png') });
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
