import { CodedError, type ErrorCode } from '../errors.js';

/** Why a credential does not do, as in RFC 6750, section 3. */
export interface Challenge {
  /** Absent if no credential was sent. */
  error?: 'invalid_token' | 'insufficient_scope';
  /** What a credential needs. */
  scope?: string;
}

/** Refuses a request for lack of a credential, or for the one that it has. */
export class AccessRefused extends CodedError {
  constructor(
    code: ErrorCode,
    message: string,
    private readonly challenge: Challenge = {},
  ) {
    super(code, message);
  }

  /** The header WWW-Authenticate (RFC 6750, section 3; RFC 9110, section 11.6.1). */
  get authenticate(): string {
    const parameters = Object.entries<string>({ realm: 'visage', ...this.challenge });
    return `Bearer ${parameters.map(([name, value]) => `${name}="${value}"`).join(', ')}`;
  }
}
