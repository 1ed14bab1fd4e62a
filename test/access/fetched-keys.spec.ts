import { generateKeyPairSync } from 'node:crypto';
import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { type FlattenedJWSInput, type JWTHeaderParameters, errors, exportJWK, generateKeyPair } from 'jose';
import { FetchedKeys } from '../../src/access/fetched-keys.js';
import { Settings } from '../../src/config/settings.js';
import { CodedError } from '../../src/errors.js';
import { Issuer, signingKey } from '../support/issuer.js';
import { type Answering } from '../support/recording-server.js';
import { until } from '../support/until.js';

const TIMES = new Settings();
const TOKEN = { payload: '', signature: '' } satisfies FlattenedJWSInput;
const header = (kid: string): JWTHeaderParameters => ({ alg: 'ES256', kid });

describe('the keys of an identity provider', () => {
  let issuer: Issuer;
  let keys: FetchedKeys;
  const spyOn = (level: 'log' | 'warn' | 'error') =>
    jest.spyOn(Logger.prototype, level).mockImplementation(() => undefined);
  let logged: ReturnType<typeof spyOn>;
  let warned: ReturnType<typeof spyOn>;
  let reported: ReturnType<typeof spyOn>;

  beforeEach(async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    [logged, warned, reported] = [spyOn('log'), spyOn('warn'), spyOn('error')];
    issuer = await Issuer.start();
    keys = keysWith({});
  });
  afterEach(() => {
    keys.stop();
    issuer.stop();
    jest.useRealTimers();
    jest.restoreAllMocks();
  });

  const keysWith = (other: { jwksTimeoutMs?: number }) =>
    new FetchedKeys(
      Object.assign(new Settings(), { jwtJwksUrl: issuer.environment['JWT_JWKS_URL'], ...other }),
    );

  /** What comes of a token with a key. */
  async function outcome(kid: string): Promise<string> {
    try {
      return (await keys.keyOf(header(kid), TOKEN)).type;
    } catch (error) {
      if (error instanceof CodedError) return `${error.code}, again in ${error.retryAfter} s`;
      if (error instanceof errors.JWKSNoMatchingKey) return 'unknown';
      throw error;
    }
  }

  /** Lets a time pass, and the fetch end that begins then. */
  async function pass(ms: number): Promise<void> {
    jest.advanceTimersByTime(ms);
    await outcome('nobody');
  }

  it('are fetched at the start, and not again for keys that are known', async () => {
    keys.start();
    await until(() => issuer.fetches === 1, 'the fetch');
    expect(await outcome('first')).toBe('public');
    expect(await outcome('first')).toBe('public');
    expect(issuer.fetches).toBe(1);
  });

  it('are fetched at most once in a cool-down for keys that nobody knows, also after a failure', async () => {
    const flood = async () => {
      const kids = Array.from({ length: 1000 }, (_, i) => `no-${i}`);
      return new Set(await Promise.all(kids.map(outcome)));
    };
    expect(await flood()).toEqual(new Set(['unknown']));
    expect(issuer.fetches).toBe(1);
    jest.advanceTimersByTime(TIMES.jwksCooldownMs);
    expect(await flood()).toEqual(new Set(['unknown']));
    expect(issuer.fetches).toBe(2);
    issuer.answering = { status: 503 };
    jest.advanceTimersByTime(TIMES.jwksCooldownMs);
    expect(await flood()).toEqual(new Set(['issuer_unavailable, again in 30 s']));
    expect(issuer.fetches).toBe(3);
    jest.advanceTimersByTime(TIMES.jwksCooldownMs - 1);
    expect(await flood()).toEqual(new Set(['issuer_unavailable, again in 1 s']));
    expect(issuer.fetches).toBe(3);
    expect(await outcome('first')).toBe('public');
  });

  it('are found at once if the provider signs with a new one', async () => {
    expect(await outcome('second')).toBe('unknown');
    jest.advanceTimersByTime(TIMES.jwksCooldownMs);
    issuer.keys = [await signingKey('ES256', 'second'), ...issuer.keys];
    expect(await Promise.all([outcome('second'), outcome('first'), outcome('second')])).toEqual([
      'public',
      'public',
      'public',
    ]);
    expect(issuer.fetches).toBe(2);
  });

  it('stop to count once the provider has withdrawn them, though nobody asks', async () => {
    await outcome('first');
    issuer.keys = [await signingKey('ES256', 'second')];
    jest.advanceTimersByTime(TIMES.jwksRefreshMs);
    await until(() => issuer.fetches === 2, 'the second fetch');
    await outcome('nobody');
    expect(await outcome('first')).toBe('unknown');
  });

  it('count for an hour while the provider is away, and again once it is back', async () => {
    await outcome('first');
    issuer.answering = { status: 500 };
    await pass(TIMES.jwksRefreshMs);
    for (let ms = TIMES.jwksRefreshMs; ms < TIMES.jwksMaxAgeMs - 60_000; ms += 30_000) await pass(30_000);
    expect(await outcome('first')).toBe('public');
    expect(await outcome('second')).toMatch(/^issuer_unavailable/);
    expect(warned.mock.calls).toEqual([[expect.stringMatching(/answered 500 to JWT_JWKS_URL.*3000 s more/)]]);
    expect(reported).not.toHaveBeenCalled();
    await pass(30_000);
    await pass(30_000);
    expect(keys.ageMs).toBe(TIMES.jwksMaxAgeMs);
    expect(await outcome('first')).toBe('issuer_unavailable, again in 30 s');
    expect(reported.mock.calls).toEqual([[expect.stringMatching(/answered 500.*tokens are 503/)]]);
    issuer.answering = undefined;
    await pass(30_000);
    expect(await outcome('first')).toBe('public');
    expect(logged.mock.calls).toEqual([[expect.stringContaining('were fetched again')]]);
    expect(warned).toHaveBeenCalledTimes(1);
  });

  it.each<[string, Answering]>([
    ['that is no JSON', { status: 200, body: '<html>' }],
    ['that is something else', { status: 200, body: '{"issuer":"x"}' }],
    ['whose keys are none', { status: 200, body: '{"keys":[1,null,"x"]}' }],
    ['without keys', { status: 200, body: '{"keys":[]}' }],
    ['that is nothing', { status: 200, body: 'null' }],
    ['that never ends', { status: 200, body: ' '.repeat(300_000) }],
    ['elsewhere', { status: 302, headers: { Location: '/other' } }],
  ])('are not taken from an answer %s', async (_, answering) => {
    issuer.answering = answering;
    expect(await outcome('first')).toBe('issuer_unavailable, again in 30 s');
    expect(reported).toHaveBeenCalledTimes(1);
    issuer.answering = undefined;
    await pass(30_000);
    expect(await outcome('first')).toBe('public');
  });

  it('are those that can be used; of others the log says once what is wrong', async () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const secret = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey);
    const forOthers = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' });
    const [good] = issuer.keys;
    const broken = [
      ...[null, 7, { kty: 'FOO' }, { kty: 'oct', k: 'AA', kid: 'oct' }, { ...forOthers, kid: 'enc' }],
      ...[
        { ...short, kid: 'short' },
        { ...secret, kid: 'secret' },
        { ...good.jwk, x: 'AA', kid: 'broken' },
      ],
    ];
    issuer.answering = {
      status: 200,
      body: JSON.stringify({ keys: [...broken, { ...good.jwk, kid: undefined }] }),
    };
    expect(await outcome('short')).toBe('unknown');
    expect((await keys.keyOf({ alg: 'ES256' }, TOKEN)).type).toBe('public');
    await pass(TIMES.jwksRefreshMs);
    expect(issuer.fetches).toBe(2);
    expect(warned.mock.calls).toEqual([
      [
        expect.stringMatching(
          /cannot be used: kid short: .*1024 bits.*; kid secret: .*public.*; kid broken: [^;]*$/,
        ),
      ],
    ]);
  });

  it('stay if the provider gives none', async () => {
    await outcome('first');
    issuer.answering = { status: 200, body: '{"keys":[]}' };
    await pass(TIMES.jwksRefreshMs);
    expect(await outcome('first')).toBe('public');
    expect(warned.mock.calls).toEqual([[expect.stringMatching(/has no key for RS256, ES256, EdDSA/)]]);
  });

  it('are not waited for if the provider does not answer', async () => {
    issuer.answering = 'hang';
    keys = keysWith({ jwksTimeoutMs: 50 });
    expect(await outcome('first')).toMatch(/^issuer_unavailable/);
  });

  it('are not fetched any more once the service stops', async () => {
    await outcome('first');
    keys.stop();
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(TIMES.jwksRefreshMs);
    expect(jest.getTimerCount()).toBe(0);
  });
});
