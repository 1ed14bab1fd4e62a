import { type JWK, type LocalJWKSet, createLocalJWKSet, errors } from 'jose';
import { LEAST_RSA_BITS } from '../config/token-settings.js';

/** The keys of an identity provider by which its tokens are checked. */
export interface KeySet {
  keyOf: LocalJWKSet;
  count: number;
  /** What is wrong with others that seem to be for its tokens. They are left out (RFC 7517, section 5). */
  faults: readonly string[];
}

/**
 * @param keys of a JWK set, or what stands there
 * @param algorithms of the tokens
 */
export async function keySetOf(keys: readonly unknown[], algorithms: readonly string[]): Promise<KeySet> {
  const usable: JWK[] = [];
  const faults: string[] = [];
  for (const key of keys.filter(isObject)) {
    const { isUsable, fault } = await examine(key, algorithms);
    if (isUsable) usable.push(key);
    else if (fault !== undefined) faults.push(`kid ${String(key.kid).slice(0, 64)}: ${fault}`);
  }
  return { keyOf: createLocalJWKSet({ keys: usable }), count: usable.length, faults };
}

function isObject(key: unknown): key is JWK {
  return typeof key === 'object' && key !== null;
}

/** @returns neither if the key is for something else, such as to encrypt */
async function examine(
  key: JWK,
  algorithms: readonly string[],
): Promise<{ isUsable: boolean; fault?: string | undefined }> {
  let fault: string | undefined;
  for (const alg of algorithms) {
    try {
      const { algorithm } = await createLocalJWKSet({ keys: [key] })({ alg });
      const { modulusLength: bits = LEAST_RSA_BITS } = algorithm as { modulusLength?: number };
      if (bits >= LEAST_RSA_BITS) return { isUsable: true };
      fault = `it has ${bits} bits, and not ${LEAST_RSA_BITS} or more`;
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) fault = (error as Error).message;
    }
  }
  return { isUsable: false, fault };
}
