import { KeysUnavailable, fetchKeySet } from '../../access/fetch-key-set.js';
import { type KeySet, keySetOf } from '../../access/key-set.js';
import type { Settings } from '../../config/settings.js';
import { type Subject, type Verdict, failure, ok, plural, warning } from './verdict.js';

/** Fetches the keys of the identity provider as the service does, if there is one. */
export async function checkTokens({ settings }: Subject): Promise<Verdict[]> {
  if (settings.jwtIssuer === undefined) return [];
  try {
    const { count, faults } = await open(settings);
    const found = `${plural(count, 'key')} of the identity provider for ${settings.jwtAlgorithms.join(', ')}`;
    if (count === 0) return [failure(found, ALGORITHMS)];
    return faults.length === 0
      ? [ok(found)]
      : [warning(`${found}; others cannot be used: ${faults.join('; ')}`, REPAIR)];
  } catch (error) {
    if (!(error instanceof KeysUnavailable)) throw error;
    return [failure(error.message, REACH)];
  }
}

const ALGORITHMS = 'Set JWT_ALGORITHMS to what it signs with, such as the "alg" of its keys';
const REPAIR = 'Have the provider replace these keys: tokens that they have signed are 401';
const REACH =
  'Correct JWT_JWKS_URL, let this machine reach it, or set JWT_ALGORITHMS to what it signs with. Until then tokens are 503 issuer_unavailable';

function open(settings: Settings): Promise<KeySet> {
  const { jwtJwks, jwtAlgorithms } = settings;
  if (jwtJwks === undefined) return fetchKeySet(settings);
  return keySetOf((JSON.parse(jwtJwks) as { keys: unknown[] }).keys, jwtAlgorithms);
}
