import { type Answer, problemOf } from '../http/support/client.js';
import { Harness } from '../http/support/harness.js';
import { picture } from '../http/support/pictures.js';
import { bearer } from '../support/api-keys.js';
import { clockMovedBy, moveClock } from '../support/clock.js';
import { AUDIENCE, Issuer, signingKey } from '../support/issuer.js';
import { local } from '../support/local.js';
import { startProcess } from '../support/service.js';
import { IdentityProvider } from './support/identity-provider.js';

const COOLDOWN_MS = 30_000;
const HOUR_MS = 3_600_000;
const ALICE = '/v1/avatars/alice';

function expectProblem(answer: Answer, status: number, code: string): void {
  const { status: was, code: wasCode } = problemOf(answer);
  expect([was, wasCode]).toEqual([status, code]);
}

describe('an identity provider', () => {
  let provider: IdentityProvider;
  let strangers: Issuer;
  let harness: Harness;
  let png: Buffer;

  beforeAll(async () => {
    png = await picture('png');
    [provider, strangers] = await Promise.all([IdentityProvider.start(), Issuer.start()]);
    const moves = [COOLDOWN_MS, COOLDOWN_MS, COOLDOWN_MS, HOUR_MS, COOLDOWN_MS];
    const environment = {
      ...(await local.environment()),
      ...clockMovedBy(...moves),
      NODE_ENV: 'production',
      JWT_ISSUER: provider.issuer,
      JWT_JWKS_URL: `${provider.issuer}/jwks`,
      JWT_AUDIENCE: AUDIENCE,
      JWT_TYP: 'at+jwt',
    };
    harness = await Harness.start(environment, { start: startProcess });
  });
  afterAll(async () => {
    await harness.stop();
    await provider.stop();
    strangers.stop();
  });

  const upload = (token: string, path = ALICE) => harness.put(path, { body: png, headers: bearer(token) });
  const versions = (token: string) => harness.send({ path: `${ALICE}/versions`, headers: bearer(token) });

  it('signs users in, who change their own picture, and applications, which change all', async () => {
    const alice = await provider.signIn('alice');
    expect((await upload(alice)).status).toBe(201);
    expect((await versions(alice)).status).toBe(200);
    expectProblem(await upload(alice, '/v1/avatars/bob'), 403, 'insufficient_scope');
    expect((await upload(await provider.tokenOfJobs('avatars:write'), '/v1/avatars/bob')).status).toBe(201);
    // Its subject is the client's own id.
    expectProblem(await upload(await provider.tokenOfJobs()), 403, 'insufficient_scope');
    expectProblem(await harness.put(ALICE, { body: png }), 401, 'unauthorized');
    await harness.service.logged(/"by":{"kind":"token","name":"alice"},"action":"upload","id":"alice"/);
    await harness.service.logged(/"by":{"kind":"token","name":"jobs"},"action":"upload","id":"bob"/);
    expect(harness.service.log()).not.toContain(alice);
  });

  it('rotates its keys without a refusal', async () => {
    const before = await provider.signIn('alice');
    await moveClock(harness.service, 4);
    await provider.rotate();
    const after = await provider.signIn('alice');
    const [fetches, tokens] = [provider.fetches, [before, after, before, after]];
    const statuses = await Promise.all(tokens.map(async (token) => (await versions(token)).status));
    expect(statuses).toEqual([200, 200, 200, 200]);
    expect(provider.fetches).toBe(fetches + 1);
  });

  it('is asked at most once in a cool-down about keys that strangers make up', async () => {
    const token = await provider.signIn('alice');
    await moveClock(harness.service, 3);
    const { fetches } = provider;
    const key = await signingKey('ES256');
    const terms = { claims: { iss: provider.issuer }, key };
    const made = await Promise.all(
      Array.from({ length: 1000 }, (_, i) =>
        strangers.token('alice', { ...terms, header: { typ: 'at+jwt', kid: `made-up-${i}` } }),
      ),
    );
    const answers = await Promise.all(made.map(versions));
    for (const answer of answers) expectProblem(answer, 401, 'unauthorized');
    expect((await versions(token)).status).toBe(200);
    expect(provider.fetches).toBe(fetches + 1);
  });

  it('may be away for an hour, in which the keys that are known count', async () => {
    const token = await provider.signIn('alice');
    await provider.stop();
    await moveClock(harness.service, 2);
    const unknown = await strangers.token('alice', { header: { typ: 'at+jwt', kid: 'new' } });
    const answer = await versions(unknown);
    expectProblem(answer, 503, 'issuer_unavailable');
    expect(answer.headers['retry-after']).toBe('30');
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect((await versions(token)).status).toBe(200);
    await harness.service.logged(
      /the identity provider at .* cannot be reached: ECONNREFUSED: the keys that were fetched last count for/,
    );
    await moveClock(harness.service, 1);
    expectProblem(await versions(token), 503, 'issuer_unavailable');
    expect((await harness.send({ path: ALICE })).status).toBe(200);
    await harness.service.logged(/tokens are 503 issuer_unavailable until it answers/);
    await provider.comeBack();
    await moveClock(harness.service, 0);
    expect((await versions(token)).status).toBe(200);
    await harness.service.logged(/the keys of the identity provider were fetched again/);
  });
});
