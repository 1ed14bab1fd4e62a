import { bearer, item, sumOf } from '../../support/api-keys.js';
import { type Forgery, forgeTicket } from '../../support/tickets.js';
import { ID, type Row } from './rows.js';

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
export interface Refusal {
  code: 'unauthorized' | 'insufficient_scope' | 'ticket_expired' | 'token_expired';
  challenge: string;
}

const NOTHING_SENT: Refusal = { code: 'unauthorized', challenge: 'Bearer realm="visage"' };
export const UNKNOWN: Refusal = {
  code: 'unauthorized',
  challenge: 'Bearer realm="visage", error="invalid_token"',
};
const EXPIRED: Refusal = { ...UNKNOWN, code: 'ticket_expired' };
export const OTHER_IDS: Refusal = {
  code: 'insufficient_scope',
  challenge: 'Bearer realm="visage", error="insufficient_scope"',
};
export const lacks = (scope: string): Refusal => ({
  code: 'insufficient_scope',
  challenge: `Bearer realm="visage", error="insufficient_scope", scope="${scope}"`,
});

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

/** The headers with a credential, and what comes of it in a row. */
export type Column = [
  headers: Headers | (() => Promise<Headers>),
  refusal: (row: Row) => Refusal | undefined,
];

/** By the name of a credential. */
export const KEYS_AND_TICKETS: Record<string, Column> = {
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

/** An item of API_KEYS for each of the keys. */
export const API_KEYS = [
  ...Object.entries(KEYS).map(([name, { scopes, ...limit }]) =>
    item(name, scopes, 'prefix' in limit ? limit.prefix : undefined),
  ),
  sumOf(BARE),
].join();
