import { type CryptoKey, type JWK, SignJWT, exportJWK, generateKeyPair } from 'jose';
import { type Answering, RecordingServer } from './recording-server.js';

/** The audience of the tokens. */
export const AUDIENCE = 'https://avatars.example';

/** A key that signs tokens, and what the others see of it. */
export interface SigningKey {
  alg: string;
  private: CryptoKey | Uint8Array;
  jwk: JWK;
}

/** What is different about a token. */
export interface TokenTerms {
  /** Undefined: it lacks that one. */
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  key?: SigningKey;
}

/** @param alg with which it signs */
export async function signingKey(alg: string, kid?: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg, use: 'sig', ...(kid !== undefined && { kid }) };
  return { alg, private: privateKey, jwk };
}

/** An identity provider: its keys at a URL, and the tokens that it makes. */
export class Issuer {
  /** How it answers; undefined: as it should. */
  answering: Answering | undefined;

  private constructor(
    private readonly server: RecordingServer,
    /** The first one signs. */
    public keys: readonly [SigningKey, ...SigningKey[]],
  ) {
    server.answering = () => this.answering ?? { status: 200, body: JSON.stringify(this.keySet) };
  }

  static async start(alg = 'ES256'): Promise<Issuer> {
    return new Issuer(await RecordingServer.start(), [await signingKey(alg, 'first')]);
  }

  /** Its settings for a service. */
  get environment(): Record<string, string> {
    return { JWT_ISSUER: this.name, JWT_JWKS_URL: `${this.server.url}/jwks`, JWT_AUDIENCE: AUDIENCE };
  }

  /** The `iss` of its tokens. */
  readonly name = 'https://issuer.example/';

  get keySet(): { keys: JWK[] } {
    return { keys: this.keys.map(({ jwk }) => jwk) };
  }

  /** How often its keys were fetched. */
  get fetches(): number {
    return this.server.asked.length;
  }

  /** A token for the user with an id, but for what the terms say. */
  token(id: string, { claims, header, key = this.keys[0] }: TokenTerms = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const rest = { iss: this.name, aud: AUDIENCE, sub: id, iat: now, exp: now + 600 };
    const { alg, jwk } = key;
    return new SignJWT({ ...rest, ...claims })
      .setProtectedHeader({ alg, typ: 'JWT', ...(jwk.kid !== undefined && { kid: jwk.kid }), ...header })
      .sign(key.private, { crit: { more: true } });
  }

  stop(): void {
    this.server.stop();
  }
}
