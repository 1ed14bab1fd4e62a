import { checkTokens } from '../../src/cli/doctor/tokens.js';
import type { Subject } from '../../src/cli/doctor/verdict.js';
import { CDN_CHECK } from '../../src/cdn/check-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import { Issuer } from '../support/issuer.js';

describe('the doctor, of tokens', () => {
  let issuer: Issuer;
  beforeEach(async () => {
    issuer = await Issuer.start();
  });
  afterEach(() => {
    issuer.stop();
  });

  /** Another check needs more of the subject. */
  const check = (environment: Record<string, string>) =>
    checkTokens({ settings: loadSettings(environment, CDN_CHECK, '/nowhere').settings } as Subject);

  it('says nothing without an identity provider', async () => {
    expect(await check({})).toEqual([]);
  });

  it('counts the keys for the algorithms, wherever they are', async () => {
    const found = { result: 'ok', message: '1 key of the identity provider for RS256, ES256, EdDSA' };
    expect(await check(issuer.environment)).toEqual([found]);
    const inline = { JWT_JWKS_URL: '', JWT_JWKS: JSON.stringify(issuer.keySet) };
    expect(await check({ ...issuer.environment, ...inline })).toEqual([found]);
  });

  it('warns of keys that cannot be used', async () => {
    const [good] = issuer.keys;
    const body = JSON.stringify({ keys: [good.jwk, { ...good.jwk, x: 'AA', kid: 'broken' }] });
    issuer.answering = { status: 200, body };
    expect(await check(issuer.environment)).toMatchObject([
      { result: 'warning', message: expect.stringMatching(/^1 key .*: kid broken: /) as string },
    ]);
  });

  it('fails if there is none, or the provider does not give them', async () => {
    const forOthers = { ...issuer.environment, JWT_ALGORITHMS: 'PS256' };
    const inline = { JWT_JWKS_URL: '', JWT_JWKS: JSON.stringify(issuer.keySet) };
    const message = expect.stringMatching(/no key for PS256|0 keys .* for PS256/) as string;
    expect(await check(forOthers)).toMatchObject([{ result: 'failure', message }]);
    expect(await check({ ...forOthers, ...inline })).toMatchObject([{ result: 'failure', message }]);
    issuer.answering = { status: 404 };
    expect(await check(issuer.environment)).toMatchObject([
      {
        result: 'failure',
        message: expect.stringMatching(/answered 404 to JWT_JWKS_URL/) as string,
        advice: expect.stringContaining('JWT_JWKS_URL') as string,
      },
    ]);
  });
});
