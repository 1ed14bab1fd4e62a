import { Tokens } from '../../src/access/tokens.js';
import { CDN_CHECK } from '../../src/cdn/check-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import type { AccessRefused } from '../../src/http/access-refused.js';
import { AUDIENCE, Issuer, type SigningKey, type TokenTerms, signingKey } from '../support/issuer.js';

type Environment = Record<string, string>;

let issuer: Issuer;
let rsa: SigningKey;
let ed: SigningKey;

beforeAll(async () => {
  issuer = await Issuer.start();
  [rsa, ed] = await Promise.all([signingKey('RS256', 'rsa'), signingKey('EdDSA', 'ed')]);
  issuer.keys = [issuer.keys[0], rsa, ed];
});
afterAll(() => {
  issuer.stop();
});

/** The tokens of a service with the keys of the issuer in its settings. */
function tokensWith(environment: Environment): Tokens {
  const keys = { JWT_JWKS: JSON.stringify(issuer.keySet) };
  const whole = { JWT_ISSUER: issuer.name, JWT_AUDIENCE: AUDIENCE, ...keys, ...environment };
  return new Tokens(loadSettings(whole, CDN_CHECK, '/nowhere').settings);
}

/** What comes of a token: whose it is and its scopes, or why not. */
async function outcome(environment: Environment, terms: TokenTerms = {}, id = 'alice'): Promise<unknown> {
  try {
    const token = await tokensWith(environment).read(await issuer.token(id, terms));
    return token && [token.own, ...token.scopes];
  } catch (error) {
    return (error as AccessRefused).message;
  }
}

describe('the tokens', () => {
  it('of Better Auth: EdDSA, without a type, for its own address', async () => {
    const claims = {
      iss: 'https://app.example',
      aud: 'https://app.example',
      email: 'a@example.org',
      id: 'x',
    };
    const terms = { key: ed, claims, header: { typ: undefined } };
    const settings = { JWT_ISSUER: 'https://app.example', JWT_AUDIENCE: 'https://app.example' };
    expect(await outcome(settings, terms)).toEqual(['alice']);
    expect(await outcome({}, terms)).toMatch(/JWT_ISSUER/);
  });

  it('of Clerk: for a party, and no audience', async () => {
    const claims = { aud: undefined, azp: 'https://app.example', sid: 'sess_1', v: 2 };
    const settings = {
      JWT_AUDIENCE: '',
      JWT_AUTHORIZED_PARTIES: 'https://other.example,https://app.example',
    };
    const terms = { key: rsa, claims, header: { cat: 'cl_B7d4' } };
    expect(await outcome(settings, terms, 'user_2abc')).toEqual(['user_2abc']);
    expect(await outcome(settings, { claims: { ...claims, azp: 'https://app.example.org' } })).toMatch(
      /PARTIES/,
    );
    expect(await outcome(settings, { claims: { ...claims, azp: undefined } })).toMatch(
      /JWT_AUTHORIZED_PARTIES/,
    );
    expect(await outcome(settings, { claims: { ...claims, azp: ['https://app.example'] } })).toMatch(
      /PARTIES/,
    );
    expect(await outcome(settings, { claims: { ...claims, aud: 'https://other.example' } })).toMatch(
      /AUDIENCE/,
    );
  });

  it('of RFC 9068: of their type and no other', async () => {
    const settings = { JWT_TYP: 'at+jwt' };
    const typed = (typ: unknown) => outcome(settings, { header: { typ }, claims: { client_id: 'app' } });
    expect(await typed('at+jwt')).toEqual(['alice']);
    expect(await typed('application/at+jwt')).toEqual(['alice']);
    expect(await typed('JWT')).toMatch(/another type than at\+jwt/);
    expect(await typed(undefined)).toMatch(/another type than at\+jwt/);
    for (const typ of [5, ['JWT'], {}]) {
      expect(await outcome({}, { header: { typ } })).toMatch(/another type than jwt or at\+jwt/);
    }
  });

  it('of Keycloak: for the account and for a party', async () => {
    const claims = {
      aud: ['realm-management', 'account'],
      azp: 'app',
      typ: 'Bearer',
      scope: 'profile email',
    };
    const settings = { JWT_AUDIENCE: 'account', JWT_AUTHORIZED_PARTIES: 'app' };
    const id = 'f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
    expect(await outcome(settings, { key: rsa, claims }, id)).toEqual([id]);
    expect(await outcome(settings, { key: rsa, claims: { ...claims, azp: 'admin-cli' } }, id)).toMatch(
      /PARTIES/,
    );
  });

  it.each([
    ['a pairwise subject that begins with -', '-pGq0bXUa7Oyuc1r2uHGPXx3Sqx9dBPnkUDXn5mPPVY'],
    ['a pairwise subject that begins with _', '_xK3'],
    ['an id of Auth0', 'auth0|507f1f77bcf86cd799439011'],
  ])('are for the avatar of %s', async (_, id) => {
    expect(await outcome({}, {}, id)).toEqual([id]);
  });

  it.each<[string, object, string[]]>([
    ['a text', { scope: 'openid avatars:write avatars:read' }, ['read', 'write']],
    ['a list, as Okta names it', { scp: ['avatars:admin'] }, ['admin']],
    ['both', { scope: 'avatars:read', scp: 'avatars:write' }, ['read', 'write']],
    [
      'words that only look alike',
      { scope: 'xavatars:admin avatars:admin2 AVATARS:ADMIN avatars', scp: 7 },
      [],
    ],
    ['lists of lists', { scope: [['avatars:admin']], scp: { 0: 'avatars:admin' } }, []],
  ])('have scopes in %s', async (_, claims, scopes) => {
    expect(await outcome({}, { claims: { ...claims } })).toEqual(['alice', ...scopes]);
  });

  it('are for the id in another claim, which has to be one', async () => {
    const settings = { JWT_ID_CLAIM: 'https://app.example/id' };
    const idIs = (id: unknown) => outcome(settings, { claims: { 'https://app.example/id': id } });
    expect(await idIs('bob')).toEqual(['bob']);
    for (const id of [undefined, 'a/b', '', 'lookup', 17, null, ['bob'], 'a'.repeat(81)]) {
      expect(await idIs(id)).toMatch(/The claim "https:\/\/app.example\/id" of this token is no avatar id/);
    }
    expect(await outcome(settings, { claims: { scope: 'avatars:write' } })).toEqual([undefined, 'write']);
    // What every object has is no claim.
    expect(await outcome({ JWT_ID_CLAIM: '__proto__' })).toMatch(/no avatar id/);
    expect(await outcome({ JWT_ID_CLAIM: 'constructor' })).toMatch(/no avatar id/);
  });

  it('are signed with what the settings allow', async () => {
    const key = await signingKey('ES384', 'es384');
    issuer.keys = [...issuer.keys, key];
    expect(await outcome({}, { key })).toMatch(/JWT_ALGORITHMS/);
    expect(await outcome({ JWT_ALGORITHMS: 'ES384' }, { key })).toEqual(['alice']);
    expect(await outcome({ JWT_ALGORITHMS: 'ES384' })).toMatch(/JWT_ALGORITHMS/);
  });

  it.each<[object, RegExp]>([
    [{ exp: undefined }, /has no "exp"/],
    [{ exp: '9999999999' }, /"exp" of this token cannot be read/],
    [{ nbf: null }, /"nbf" of this token cannot be read/],
    [{ nbf: 9_999_999_999 }, /does not hold yet/],
    [{ aud: undefined }, /has no "aud"/],
    [{ sub: 'a\u0000' }, /"sub" of this token is no text of 1 to 255/],
  ])('with %j say what is wrong', async (claims, fault) => {
    expect(await outcome({}, { claims: { ...claims } })).toMatch(fault);
  });

  it('may not say which of several keys signed them', async () => {
    const [first, second, third] = await Promise.all(
      ['ES256', 'ES256', 'ES256'].map((alg) => signingKey(alg)),
    );
    if (!first || !second || !third) throw new Error('there are no keys');
    const settings = { JWT_JWKS: JSON.stringify({ keys: [first.jwk, second.jwk] }) };
    expect(await outcome(settings, { key: first })).toEqual(['alice']);
    expect(await outcome(settings, { key: second })).toEqual(['alice']);
    expect(await outcome(settings, { key: third })).toMatch(/has not signed this token/);
    expect(await outcome(settings, { key: second, claims: { aud: 'x' } })).toMatch(/JWT_AUDIENCE/);
  });

  it('are not looked at without an issuer', async () => {
    const tokens = new Tokens(loadSettings({}, CDN_CHECK, '/nowhere').settings);
    expect(tokens.enabled).toBe(false);
    expect(await tokens.read(await issuer.token('alice'))).toBeUndefined();
  });

  it.each([
    ['', undefined],
    ['a', undefined],
    ['a.b.c', undefined],
    ['..', undefined],
    ['e30.e30.', 'unauthorized'],
    ['e30.e30.e30.e30.e30', 'unauthorized'],
  ])('are not %j', async (text, code) => {
    const read = tokensWith({}).read(text);
    expect(await read.catch((error: unknown) => (error as AccessRefused).code)).toBe(code);
  });
});
