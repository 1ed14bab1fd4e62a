import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import {
  type CryptoKey,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  createLocalJWKSet,
  decodeProtectedHeader,
  errors,
  jwtVerify,
} from 'jose';
import { Settings } from '../config/settings.js';
import { AccessRefused } from '../http/access-refused.js';
import { CALLER_NAME, SCOPES, type Scope } from '../model/access.js';
import { isId } from '../model/keys.js';
import { FetchedKeys } from './fetched-keys.js';
import { type Token, scopeOfToken } from './token.js';

/** How far the clocks of the provider and of this machine may be apart. */
const CLOCK_SECONDS = 5;

/**
 * Types of access tokens (RFC 9068, section 2.1; many providers write JWT, or nothing). Others are signed
 * with the same keys for other ends, such as `logout+jwt`.
 */
const TYPES = ['', 'jwt', 'at+jwt'];

const INVALID = { error: 'invalid_token' } as const;

const FAULTS = {
  iss: 'This token is of another issuer than JWT_ISSUER',
  aud: 'This token is for an audience that is not in JWT_AUDIENCE',
  azp: 'This token was made for a party that is not in JWT_AUTHORIZED_PARTIES',
  sub: 'The "sub" of this token is no text of 1 to 255 characters',
  nbf: 'This token does not hold yet',
};

/** Checks the access tokens of the identity provider (RFC 9068, RFC 8725), if there is one. */
@Injectable()
export class Tokens implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly fetched: FetchedKeys | undefined;
  private readonly keyOf: JWTVerifyGetKey<CryptoKey> | undefined;
  private readonly types: readonly string[];
  private readonly options: JWTVerifyOptions;

  constructor(private readonly settings: Settings) {
    const { jwtIssuer, jwtJwksUrl, jwtJwks, jwtAudience, jwtTyp, jwtAlgorithms } = settings;
    if (jwtJwksUrl !== undefined) this.fetched = new FetchedKeys(settings);
    const inline = jwtJwks === undefined ? undefined : (JSON.parse(jwtJwks) as JSONWebKeySet);
    this.keyOf = inline ? createLocalJWKSet(inline) : this.fetched?.keyOf;
    this.types = jwtTyp === undefined ? TYPES : [plainType(jwtTyp)];
    this.options = {
      algorithms: jwtAlgorithms,
      ...(jwtIssuer !== undefined && { issuer: jwtIssuer }),
      ...(jwtAudience.length > 0 && { audience: jwtAudience }),
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_SECONDS,
    };
  }

  onApplicationBootstrap(): void {
    this.fetched?.start();
  }

  onApplicationShutdown(): void {
    this.fetched?.stop();
  }

  /** Whether there is an identity provider. */
  get enabled(): boolean {
    return this.keyOf !== undefined;
  }

  /** How old the keys of the provider are, in ms; undefined: they are not fetched. */
  get keysAgeMs(): number | undefined {
    return this.fetched?.ageMs;
  }

  /**
   * @param text what was sent as a bearer
   * @returns undefined if it is no token, valid or not, or there is no provider
   * @throws AccessRefused `token_expired`, `unauthorized`; CodedError `issuer_unavailable`
   */
  async read(text: string): Promise<Token | undefined> {
    if (!this.keyOf || !isSigned(text)) return undefined;
    try {
      return this.tokenOf(await this.verified(text, this.keyOf));
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        throw new AccessRefused('token_expired', 'This token has run out. Get a new one.', INVALID);
      }
      if (error instanceof errors.JWKSNoMatchingKey) throw refused(this.lackOfKey);
      if (error instanceof errors.JOSEError) throw refused(faultOf(error));
      throw error;
    }
  }

  private get lackOfKey(): string {
    const { keysAgeMs } = this;
    if (keysAgeMs === undefined) return 'JWT_JWKS has no key that fits this token';
    const seconds = Math.round(keysAgeMs / 1000);
    return `The identity provider had no key that fits this token when it was asked last, ${seconds} s ago`;
  }

  private async verified(text: string, keyOf: JWTVerifyGetKey<CryptoKey>): Promise<JWTVerifyResult> {
    try {
      return await jwtVerify(text, keyOf, this.options);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return this.verifiedByOneOf(error, text);
    }
  }

  /** Keys need no `kid` (RFC 7517, section 4.5). */
  private async verifiedByOneOf(keys: AsyncIterable<CryptoKey>, text: string): Promise<JWTVerifyResult> {
    for await (const key of keys) {
      try {
        return await jwtVerify(text, key, this.options);
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }

  /** @throws AccessRefused */
  private tokenOf({ protectedHeader, payload }: JWTVerifyResult): Token {
    const { jwtIdClaim, jwtAudience, jwtAuthorizedParties: parties } = this.settings;
    const type: unknown = protectedHeader.typ ?? '';
    if (typeof type !== 'string' || !this.types.includes(plainType(type))) {
      throw refused(`This is a token of another type than ${this.types.filter(Boolean).join(' or ')}`);
    }
    // Whoever is not named in an audience must refuse it (RFC 7519, section 4.1.3).
    if (jwtAudience.length === 0 && payload.aud !== undefined) throw refused(FAULTS.aud);
    if (parties.length > 0 && !parties.some((party) => party === payload['azp'])) throw refused(FAULTS.azp);
    const subject = payload.sub;
    if (typeof subject !== 'string' || !CALLER_NAME.test(subject)) throw refused(FAULTS.sub);
    const id = payload[jwtIdClaim];
    const own = typeof id === 'string' && isId(id) ? id : undefined;
    const scopes = scopesOf(payload);
    if (scopes.length > 0 || own !== undefined) return { subject, scopes, own };
    throw new AccessRefused(
      'insufficient_scope',
      `The claim "${jwtIdClaim}" of this token is no avatar id, and it has no scope for others. Have JWT_ID_CLAIM name the claim with the id.`,
      { error: 'insufficient_scope' },
    );
  }
}

function refused(fault: string): AccessRefused {
  return new AccessRefused('unauthorized', `${fault}. Get another from the identity provider.`, INVALID);
}

/** What is wrong with a token, for its developer. */
function faultOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim, reason } = error;
    if (reason === 'missing') return `This token has no "${claim}"`;
    const own = Object.entries(FAULTS).find(([name]) => name === claim && reason === 'check_failed');
    return own ? own[1] : `The "${claim}" of this token cannot be read`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return 'This token is signed with an algorithm that is not in JWT_ALGORITHMS';
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return 'The identity provider has not signed this token';
  }
  return 'This token cannot be read';
}

/** Whether a text says that it is a signed token, which proves nothing. */
function isSigned(text: string): boolean {
  try {
    decodeProtectedHeader(text);
    return true;
  } catch {
    return false;
  }
}

/** `application/` may be left out (RFC 7515, section 4.1.9). */
function plainType(type: string): string {
  return type.toLowerCase().replace(/^application\//, '');
}

/** `avatars:write` in `scope` (RFC 8693, section 4.2), or in `scp`, as Okta and Microsoft name it. */
function scopesOf({ scope, scp }: JWTPayload): Scope[] {
  const words = [scope, scp].flat().flatMap((text) => (typeof text === 'string' ? text.split(' ') : []));
  return SCOPES.filter((one) => words.includes(scopeOfToken(one)));
}
