import { createPublicKey } from 'node:crypto';
import type { JWK } from 'jose';
import { bearer } from '../../support/api-keys.js';
import { AUDIENCE, type Issuer, type SigningKey, type TokenTerms, signingKey } from '../../support/issuer.js';
import { SIGNING_KEY, forgeTicket } from '../../support/tickets.js';
import { type Column, OTHER_IDS, type Refusal, UNKNOWN, lacks } from './columns.js';
import { ID, type Row } from './rows.js';

const EXPIRED: Refusal = { ...UNKNOWN, code: 'token_expired' };
const lacksInToken = (scope: string) => lacks(`avatars:${scope}`);
const isForOwner = ({ ticket, own }: Row) => own ?? ticket !== undefined;

/** By the name of a token of the identity provider. */
export async function tokensOf(issuer: Issuer): Promise<Record<string, Column>> {
  const [first] = issuer.keys;
  const kid = first.jwk.kid ?? '';
  const token = async (terms: TokenTerms = {}, id = ID) => bearer(await issuer.token(id, terms));
  const scoped = (scope: unknown, claims = {}) => token({ claims: { scope, ...claims } }, 'a-service');
  const unknown = async (terms: TokenTerms): Promise<Column> => [await token(terms), () => UNKNOWN];
  const claim = (name: string, value: unknown) => unknown({ claims: { [name]: value } });
  const tampered = async (changes: object): Promise<Column> => {
    const [header, payload = '', signature] = (await issuer.token(ID)).split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    return [bearer([header, encoded({ ...claims, ...changes }), signature].join('.')), () => UNKNOWN];
  };
  const byAnother = await signingKey('ES256', kid);
  const symmetric = (secret: string): SigningKey => ({
    alg: 'HS256',
    private: new TextEncoder().encode(secret),
    jwk: { kty: 'oct', kid },
  });
  const [, payload = ''] = (await issuer.token(ID)).split('.');
  const none = (alg: string) => bearer(`${encoded({ alg, typ: 'JWT', kid })}.${payload}.`);
  const own: Column[1] = (row) => (isForOwner(row) && !row.atLeast ? undefined : lacksInToken(row.needs));
  const other: Column[1] = (row) => (isForOwner(row) ? OTHER_IDS : lacksInToken(row.needs));
  return {
    'a token': [await token(), own],
    'a token with scopes of others': [await token({ claims: { scope: 'openid email write admin' } }), own],
    'a token of a type of its own': [await token({ header: { typ: 'application/AT+JWT' } }), own],
    'a token of no type': [await token({ header: { typ: undefined } }), own],
    'a token for several': [await token({ claims: { aud: ['https://others.example', AUDIENCE] } }), own],
    'a token of another user': [await token({}, 'shop-bob'), other],
    'a token of a user whose id only begins so': [await token({}, `${ID}x`), other],
    'a token to read': [
      await scoped('avatars:read'),
      (row) => (row.needs === 'read' ? undefined : lacksInToken(row.atLeast ?? row.needs)),
    ],
    'a token to read of the same user': [
      await token({ claims: { scope: 'avatars:read' } }),
      (row) => (row.needs === 'read' ? undefined : lacksInToken(row.atLeast ?? row.needs)),
    ],
    'a token to write': [
      await scoped('openid avatars:write'),
      (row) => (row.needs === 'write' && !row.atLeast ? undefined : lacksInToken(row.needs)),
    ],
    'a token to read and write': [
      await scoped(['avatars:read', 'avatars:write']),
      (row) => (row.needs === 'admin' ? lacksInToken('admin') : undefined),
    ],
    'a token to do everything': [await scoped(undefined, { scp: ['avatars:admin'] }), () => undefined],
    'a token of a user who is no avatar': [
      await token({}, 'no/id'),
      () => ({ code: 'insufficient_scope', challenge: OTHER_IDS.challenge }),
    ],
    'a token that has run out': [await token({ claims: { exp: 1_700_000_000 } }), () => EXPIRED],
    'a token without an end': await claim('exp', undefined),
    'a token with an odd end': await claim('exp', '9999999999'),
    'a token that begins later': await claim('nbf', Math.floor(Date.now() / 1000) + 3600),
    'a token of another issuer': await claim('iss', 'https://others.example/'),
    'a token of nearly the issuer': await claim('iss', issuer.name.slice(0, -1)),
    'a token without an issuer': await claim('iss', undefined),
    'a token for another audience': await claim('aud', 'https://others.example'),
    'a token for nobody': await claim('aud', undefined),
    'a token without a subject': await claim('sub', undefined),
    'a token with an odd subject': await claim('sub', 17),
    'a token with a long subject': await claim('sub', 'a'.repeat(256)),
    'a token to log out': await unknown({ header: { typ: 'logout+jwt' } }),
    'a token of the type of tickets': await unknown({ header: { typ: 'visage-ticket+jwt' } }),
    'a token that says more than we know': await unknown({ header: { crit: ['more'], more: 1 } }),
    'a token of another key': await unknown({ header: { kid: 'another' } }),
    'a token that another signed': await unknown({ key: byAnother }),
    'a token of another algorithm': await unknown({ key: await signingKey('ES384', kid) }),
    'a token of another kind of key': await unknown({ key: await signingKey('RS256', kid) }),
    'a token signed with the public key': await unknown({ key: symmetric(pemOf(first.jwk)) }),
    'a token signed with the public key as it is fetched': await unknown({
      key: symmetric(JSON.stringify(first.jwk)),
    }),
    'a token that nobody signed': [none('none'), () => UNKNOWN],
    'a token that nobody signed, in other letters': [none('NoNe'), () => UNKNOWN],
    'a token without a signature': [none('ES256'), () => UNKNOWN],
    'a token with another subject': await tampered({ sub: 'shop-bob' }),
    'a token with a scope more': await tampered({ scope: 'avatars:admin' }),
    'a token with another end': await tampered({ exp: 9_999_999_999 }),
    'a token as a ticket': [
      bearer(
        await forgeTicket(ID, { claims: { iss: issuer.name, aud: AUDIENCE }, header: { typ: 'JWT', kid } }),
      ),
      () => UNKNOWN,
    ],
    'a token with the claims of a ticket': [
      await token({
        key: symmetric(SIGNING_KEY),
        header: { typ: 'visage-ticket+jwt' },
        claims: { may: ['upload'] },
      }),
      () => UNKNOWN,
    ],
    'a ticket that the identity provider signed': await unknown({
      header: { typ: 'visage-ticket+jwt' },
      claims: { aud: 'visage-tickets', may: ['upload'], jti: '019e0a1b-2c3d-7e4f-8a5b-6c7d8e9f0a1b' },
    }),
  };
}

function encoded(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

function pemOf(jwk: JWK): string {
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();
}
