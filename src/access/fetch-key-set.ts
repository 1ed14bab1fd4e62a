import type { Settings } from '../config/settings.js';
import { faultOfFetch } from '../tools/fetch-fault.js';
import { type KeySet, keySetOf } from './key-set.js';

/** Where the keys are, and which of them count. */
export type KeySetSource = Pick<Settings, 'jwtJwksUrl' | 'jwtAlgorithms' | 'jwksTimeoutMs'>;

/** Room for dozens of keys with their certificates. */
const MOST_BYTES = 256 * 1024;

/** The keys of an identity provider could not be fetched. The message says why, for the log. */
export class KeysUnavailable extends Error {}

/**
 * Fetches the public keys of an identity provider.
 * @param source with the URL of a JWK set (RFC 7517, section 5), and the time in ms for the whole of it
 * @throws KeysUnavailable
 */
export async function fetchKeySet(source: KeySetSource): Promise<KeySet> {
  const { jwtJwksUrl: url = '', jwtAlgorithms: algorithms, jwksTimeoutMs: timeoutMs } = source;
  const host = new URL(url).origin;
  const unavailable = (fault: string) => new KeysUnavailable(`the identity provider at ${host} ${fault}`);
  let answer: Response;
  let text: string | undefined;
  try {
    answer = await fetch(url, {
      headers: { Accept: 'application/jwk-set+json, application/json' },
      // Whoever may redirect may name the keys.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    text = await textOf(answer);
  } catch (error) {
    throw unavailable(faultOfFetch(error as Error, timeoutMs));
  }
  if (answer.status !== 200) throw unavailable(`answered ${answer.status} to JWT_JWKS_URL`);
  if (text === undefined) throw unavailable(`has more than ${MOST_BYTES} bytes at JWT_JWKS_URL`);
  const keys = keysIn(text);
  if (!keys) throw unavailable('has no JWK set at JWT_JWKS_URL');
  const keySet = await keySetOf(keys, algorithms);
  if (keySet.count > 0) return keySet;
  const faults = keySet.faults.map((fault) => `; ${fault}`).join('');
  throw unavailable(`has no key for ${algorithms.join(', ')} at JWT_JWKS_URL${faults}`);
}

/** @returns undefined if it is too long */
async function textOf({ body }: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const arriving: AsyncIterable<Uint8Array> | null = body;
  for await (const chunk of arriving ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop ends the transfer.
    if (bytes > MOST_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function keysIn(text: string): unknown[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) ? keys : undefined;
  } catch {
    return undefined;
  }
}
