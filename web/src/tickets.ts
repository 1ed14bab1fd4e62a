import { VisageError, noConnection } from './problem.js';

/** What a ticket says about itself. Only the service can tell whether that is true. */
export interface Ticket {
  text: string;
  /** The avatar that it is for. */
  id: string;
  may: string[];
  /** The most bytes of a picture. */
  maxBytes: number;
  /** Whose pages may use it; undefined: those of all. */
  origin: string | undefined;
}

/** Gives a ticket, as the service made it. */
export type TicketSource = () => string | Promise<string>;

/**
 * Asks the page's own server for a ticket.
 * @param url is sent a POST with the user's cookies, and answers with JSON that has the ticket in `ticket`
 * @throws VisageError `no_ticket`, `no_connection`
 */
export async function fetchTicket(url: string, signal: AbortSignal): Promise<string> {
  const headers = { Accept: 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, signal }).catch(() => {
    throw noConnection(url);
  });
  if (!answer.ok) throw new VisageError('no_ticket', `${url} answers ${answer.status}.`);
  const json = (await answer.json().catch(() => null)) as { ticket?: unknown } | null;
  if (typeof json?.ticket === 'string') return json.ticket;
  throw new VisageError('no_ticket', `The answer of ${url} is no JSON with a ticket.`);
}

interface Claims {
  sub?: unknown;
  may?: string[];
  maxBytes?: number;
  origin?: string;
}

/** @throws VisageError `no_ticket` if it isn't one */
export function readTicket(text: string): Ticket {
  try {
    const [, payload = ''] = /^[\w-]+\.([\w-]+)\.[\w-]+$/.exec(text) ?? [];
    const json = atob(payload.replaceAll('-', '+').replaceAll('_', '/'));
    const { sub: id, may, maxBytes = Infinity, origin } = JSON.parse(json) as Claims;
    if (typeof id === 'string' && Array.isArray(may)) return { text, id, may, maxBytes, origin };
  } catch {
    // Told below.
  }
  throw new VisageError('no_ticket', 'What the page gave is no ticket of Visage.');
}
