import { VisageError } from './problem.js';

/** What a ticket says about itself. Only the service can tell whether that is true. */
export interface Ticket {
  text: string;
  /** The avatar that it is for. */
  id: string;
  /** The most bytes of a picture. */
  maxBytes: number;
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
  const answer = await fetch(url, { method: 'POST', headers, credentials: 'same-origin', signal }).catch(
    (error: unknown) => {
      if (signal.aborted) throw error;
      throw new VisageError('no_connection', `There is no answer from ${url}.`);
    },
  );
  if (!answer.ok) throw new VisageError('no_ticket', `${url} answers ${answer.status}.`);
  const { ticket } = (await answer.json().catch(() => ({}))) as { ticket?: unknown };
  if (typeof ticket === 'string') return ticket;
  throw new VisageError('no_ticket', `The answer of ${url} is no JSON with a ticket.`);
}

/** @throws VisageError `no_ticket` if it isn't one */
export function readTicket(text: string): Ticket {
  try {
    const payload = (text.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const { sub, maxBytes } = JSON.parse(atob(payload)) as { sub?: unknown; maxBytes?: unknown };
    if (typeof sub !== 'string') throw new Error('it is for nobody');
    return { text, id: sub, maxBytes: typeof maxBytes === 'number' ? maxBytes : Infinity };
  } catch {
    throw new VisageError('no_ticket', 'What the page gave is no ticket of Visage.');
  }
}
