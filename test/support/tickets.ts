import { SignJWT } from 'jose';
import { v7 as uuidv7 } from 'uuid';
import { bearer } from './api-keys.js';
import { type AvatarClient, expectStatus, jsonOf } from './avatar-client.js';

/** A value of SIGNING_KEYS. */
export const SIGNING_KEY = 'a-secret-with-which-the-tests-sign-tickets';

export interface TicketTerms {
  may?: string[];
  expiresIn?: number;
  maxBytes?: number;
  origin?: string;
}

/** Has a ticket made by a client whose key may. @returns its text */
export async function ticketTextFrom(client: AvatarClient, terms: TicketTerms = {}): Promise<string> {
  const body = JSON.stringify(terms);
  const answer = expectStatus(201, await client.send({ method: 'POST', suffix: '/tickets', body }));
  return (jsonOf(answer) as { ticket: string }).ticket;
}

/** The same. @returns the header with it */
export async function ticketFrom(
  client: AvatarClient,
  terms: TicketTerms = {},
): Promise<{ authorization: string }> {
  return bearer(await ticketTextFrom(client, terms));
}

/** What is different about a ticket that was not made by the service. */
export interface Forgery {
  /** Undefined: it lacks that one. */
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  key?: string;
}

/** A ticket as the service would make it, but for one thing. */
export function forgeTicket(
  id: string,
  { claims, header, key = SIGNING_KEY }: Forgery = {},
): Promise<string> {
  const rest = { aud: 'visage-tickets', sub: id, jti: uuidv7(), exp: Math.ceil(Date.now() / 1000) + 600 };
  return new SignJWT({ may: ['upload', 'remove', 'restore'], ...rest, ...claims })
    .setProtectedHeader({ alg: 'HS256', typ: 'visage-ticket+jwt', ...header })
    .sign(new TextEncoder().encode(key));
}
