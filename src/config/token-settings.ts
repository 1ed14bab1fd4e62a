import { createPublicKey } from 'node:crypto';
import { type Settings, variableOf } from './settings.js';

/** The settings that say nothing without JWT_ISSUER. */
const OF_ISSUER = ['jwtJwksUrl', 'jwtJwks', 'jwtAudience', 'jwtAuthorizedParties', 'jwtTyp'] as const;

/** RFC 7518, section 3.3. */
export const LEAST_RSA_BITS = 2048;

/** What keeps the tokens of an identity provider from being checked. Quotes no key. */
export function problemsOfTokens(settings: Settings): string[] {
  const { jwtIssuer, jwtJwksUrl, jwtJwks, jwtAudience, jwtAuthorizedParties } = settings;
  if (jwtIssuer === undefined) {
    const set = OF_ISSUER.filter((property) => (settings[property]?.length ?? 0) > 0).map(variableOf);
    if (set.length === 0) return [];
    return [
      `JWT_ISSUER must be set to the "iss" of your identity provider's tokens, because ${set.join(', ')} ${set.length > 1 ? 'are' : 'is'} set`,
    ];
  }
  const problems: string[] = [];
  if ((jwtJwksUrl === undefined) === (jwtJwks === undefined)) {
    problems.push(
      'JWT_JWKS_URL or JWT_JWKS must be set when JWT_ISSUER is, and not both: where the public keys of the identity provider are, or the keys themselves',
    );
  }
  if (jwtAudience.length === 0 && jwtAuthorizedParties.length === 0) {
    problems.push(
      'JWT_AUDIENCE must be set when JWT_ISSUER is, or JWT_AUTHORIZED_PARTIES where tokens have no "aud": the issuer makes tokens for other services, too',
    );
  }
  if (jwtJwks !== undefined && jwtJwksUrl === undefined) problems.push(...problemsOfKeySet(jwtJwks));
  return problems;
}

/** @param text a JWK set (RFC 7517) with public keys only */
function problemsOfKeySet(text: string): string[] {
  const keys = keysOf(text);
  if (!keys)
    return [
      'JWT_JWKS must be a JSON object with a key or more, as JWT_JWKS_URL would give it: {"keys":[...]}',
    ];
  return keys.flatMap((key, i) => {
    if ('d' in key || 'k' in key) {
      return [
        `JWT_JWKS has a secret in key ${i + 1}: whoever reads it can make tokens. Give public keys only, and replace that one`,
      ];
    }
    try {
      const { modulusLength = LEAST_RSA_BITS } =
        createPublicKey({ key, format: 'jwk' }).asymmetricKeyDetails ?? {};
      if (modulusLength >= LEAST_RSA_BITS) return [];
      return [
        `JWT_JWKS has a key of ${modulusLength} bits in place ${i + 1}: RSA needs ${LEAST_RSA_BITS} or more`,
      ];
    } catch {
      return [`JWT_JWKS has no public key in place ${i + 1}, or one of a kind that Node.js does not know`];
    }
  });
}

function keysOf(text: string): Record<string, unknown>[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    const isObject = (key: unknown) => typeof key === 'object' && key !== null;
    return Array.isArray(keys) && keys.length > 0 && keys.every(isObject)
      ? (keys as Record<string, unknown>[])
      : undefined;
  } catch {
    return undefined;
  }
}
