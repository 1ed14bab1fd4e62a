import { Injectable } from '@nestjs/common';
import { type JWTPayload, SignJWT, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { Settings } from '../config/settings.js';
import { CodedError } from '../errors.js';
import { AccessRefused } from '../http/access-refused.js';
import { isId, isVersion } from '../model/keys.js';
import { TICKET_ACTIONS, type Ticket } from '../model/ticket.js';

/** No other token has this type and this audience (RFC 8725, sections 3.9 and 3.11). */
const TYPE = 'visage-ticket+jwt';
const AUDIENCE = 'visage-tickets';
const ALGORITHM = 'HS256';

const INVALID = { error: 'invalid_token' } as const;

/** A ticket as its bearer gets it. */
export interface IssuedTicket {
  /** Its name, which is no secret. */
  name: string;
  /** A JWT (RFC 7519). */
  text: string;
  /** From then on no request may begin with it. */
  expiresAt: Date;
}

/** Makes upload tickets and checks them. They are signed and kept nowhere, so every replica knows them. */
@Injectable()
export class Tickets {
  private readonly keys: readonly Uint8Array[];

  constructor({ signingKeys }: Settings) {
    this.keys = signingKeys.map((key) => new TextEncoder().encode(key));
  }

  /**
   * @param seconds how long it may be used
   * @throws CodedError `tickets_disabled`
   */
  async issue({ id, ...terms }: Omit<Ticket, 'name'>, seconds: number): Promise<IssuedTicket> {
    const [key] = this.keys;
    if (!key) throw disabled();
    const now = Date.now();
    const name = uuidv7({ msecs: now });
    const expiresAt = new Date((Math.ceil(now / 1000) + seconds) * 1000);
    const text = await new SignJWT({ ...terms })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
      .setAudience(AUDIENCE)
      .setSubject(id)
      .setJti(name)
      .setExpirationTime(expiresAt)
      .sign(key);
    return { name, text, expiresAt };
  }

  /**
   * @param text what was sent as a bearer
   * @returns undefined if it is no ticket, valid or not
   * @throws AccessRefused `ticket_expired`, `unauthorized`
   */
  async read(text: string): Promise<Ticket | undefined> {
    if (!isTicket(text)) return undefined;
    const ticket = ticketOf(await this.verified(text));
    if (!ticket)
      throw new AccessRefused('unauthorized', 'This ticket cannot be read. Get a new one.', INVALID);
    return ticket;
  }

  private async verified(text: string): Promise<JWTPayload> {
    const options = { algorithms: [ALGORITHM], typ: TYPE, audience: AUDIENCE, requiredClaims: ['exp'] };
    for (const key of this.keys) {
      try {
        return (await jwtVerify(text, key, options)).payload;
      } catch (error) {
        if (error instanceof errors.JWSSignatureVerificationFailed) continue;
        if (error instanceof errors.JWTExpired) {
          throw new AccessRefused('ticket_expired', 'This ticket has run out. Get a new one.', INVALID);
        }
        if (!(error instanceof errors.JOSEError)) throw error;
        throw new AccessRefused('unauthorized', 'This is no ticket of Visage. Get a new one.', INVALID);
      }
    }
    const detail =
      this.keys.length === 0
        ? 'This service takes no tickets, because SIGNING_KEYS is not set.'
        : 'No key of SIGNING_KEYS has signed this ticket. Get a new one, and see that all replicas have the same keys.';
    throw new AccessRefused('unauthorized', detail, INVALID);
  }
}

/** Whether a text says that it is a ticket, which proves nothing. */
function isTicket(text: string): boolean {
  try {
    return decodeProtectedHeader(text).typ === TYPE;
  } catch {
    // It is no JWS at all.
    return false;
  }
}

/** What a ticket of ours says, of whatever release. */
function ticketOf({ sub, jti, may, maxBytes, origin }: JWTPayload): Ticket | undefined {
  if (sub === undefined || !isId(sub) || jti === undefined || !isVersion(jti) || !Array.isArray(may)) {
    return undefined;
  }
  if (maxBytes !== undefined && typeof maxBytes !== 'number') return undefined;
  if (origin !== undefined && typeof origin !== 'string') return undefined;
  return {
    name: jti,
    id: sub,
    may: TICKET_ACTIONS.filter((action) => may.includes(action)),
    maxBytes,
    origin,
  };
}

function disabled(): CodedError {
  return new CodedError(
    'tickets_disabled',
    'This service has no tickets, because SIGNING_KEYS is not set. Set it on all replicas to a secret: openssl rand -hex 32',
  );
}
