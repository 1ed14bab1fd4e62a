import { type JSONWebKeySet, type LocalJWKSet, createLocalJWKSet } from 'jose';
import { faultOfFetch } from '../tools/fetch-fault.js';

/** Room for dozens of keys with their certificates. */
const MOST_BYTES = 256 * 1024;

/** The keys of an identity provider could not be fetched. The message says why, for the log. */
export class KeysUnavailable extends Error {}

/**
 * Fetches the public keys of an identity provider.
 * @param url of a JWK set (RFC 7517, section 5)
 * @param timeoutMs for the whole of it
 * @throws KeysUnavailable
 */
export async function fetchKeySet(url: string, timeoutMs: number): Promise<LocalJWKSet> {
  const host = new URL(url).origin;
  let text: string | undefined;
  try {
    const answer = await fetch(url, {
      headers: { Accept: 'application/jwk-set+json, application/json' },
      // Whoever may redirect may name the keys.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (answer.status !== 200) {
      await answer.body?.cancel();
      throw new KeysUnavailable(`the identity provider at ${host} answered ${answer.status} to JWT_JWKS_URL`);
    }
    text = await textOf(answer);
  } catch (error) {
    if (error instanceof KeysUnavailable) throw error;
    throw new KeysUnavailable(`the identity provider at ${host} ${faultOfFetch(error as Error, timeoutMs)}`);
  }
  const set = text === undefined ? undefined : keySetOf(text);
  if (set) return set;
  throw new KeysUnavailable(
    `what the identity provider at ${host} has at JWT_JWKS_URL is no JWK set of at most ${MOST_BYTES} bytes`,
  );
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

function keySetOf(text: string): LocalJWKSet | undefined {
  try {
    return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
  } catch {
    return undefined;
  }
}
