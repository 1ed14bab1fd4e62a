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

  it('fails if there is none, or the provider does not give them', async () => {
    expect(await check({ ...issuer.environment, JWT_ALGORITHMS: 'PS256' })).toMatchObject([
      { result: 'failure', message: '0 keys of the identity provider for PS256' },
    ]);
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
