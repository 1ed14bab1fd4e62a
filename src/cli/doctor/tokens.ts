import { type JWK, type JSONWebKeySet, createLocalJWKSet } from 'jose';
import { KeysUnavailable, fetchKeySet } from '../../access/fetch-key-set.js';
import type { Settings } from '../../config/settings.js';
import { type Subject, type Verdict, failure, ok, plural } from './verdict.js';

/** Fetches the keys of the identity provider as the service does, if there is one. */
export async function checkTokens({ settings }: Subject): Promise<Verdict[]> {
  if (settings.jwtIssuer === undefined) return [];
  const { jwtAlgorithms } = settings;
  let keys: readonly JWK[];
  try {
    keys = await keysOf(settings);
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error;
    const advice =
      'Correct JWT_JWKS_URL, or let this machine reach it. Until then tokens are 503 issuer_unavailable';
    return [failure(error.message, advice)];
  }
  const usable = await Promise.all(keys.map((key) => isFor(key, jwtAlgorithms)));
  const count = usable.filter(Boolean).length;
  const found = `${plural(count, 'key')} of the identity provider for ${jwtAlgorithms.join(', ')}`;
  if (count > 0) return [ok(found)];
  return [failure(found, 'Set JWT_ALGORITHMS to what it signs with, such as the "alg" of its keys')];
}

async function keysOf({ jwtJwks, jwtJwksUrl = '', jwksTimeoutMs }: Settings): Promise<readonly JWK[]> {
  if (jwtJwks !== undefined) return (JSON.parse(jwtJwks) as JSONWebKeySet).keys;
  return (await fetchKeySet(jwtJwksUrl, jwksTimeoutMs)).jwks().keys;
}

async function isFor(key: JWK, algorithms: readonly string[]): Promise<boolean> {
  const keySet = createLocalJWKSet({ keys: [key] });
  for (const alg of algorithms) {
    try {
      await keySet({ alg });
      return true;
    } catch {
      // It is of another kind, or cannot be read.
    }
  }
  return false;
}
