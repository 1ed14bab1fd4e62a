import { type Answer, type Upload, call, sendPicture } from './calls.js';
import { VisageError } from './problem.js';
import { type Ticket, type TicketSource, fetchTicket, readTicket } from './tickets.js';

/** The history of an avatar: the last pictures first. */
export interface History {
  current: string | null;
  versions: Answer[];
}

/** The element, from whose attributes it learns where the service and the tickets are. */
export interface Client extends HTMLElement {
  getTicket: TicketSource | undefined;
}

/** Where the script comes from, if that is the service: it is imported from a bundle otherwise. */
const [, HOME] = /^(.*\/)ui\/visage\.js(?:[?#].*)?$/.exec(import.meta.url) ?? [];

/** What the element does with its avatar, each with a ticket of its own. */
export class Service {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * The address of the service, with a slash at its end.
   * @throws VisageError `internal` if nobody says it
   */
  get base(): string {
    const base = this.#client.getAttribute('base-url') ?? HOME;
    if (base === undefined) throw new VisageError('internal', 'Set base-url to the address of Visage.');
    return new URL(base.replace(/\/?$/, '/'), this.#client.ownerDocument.baseURI).href;
  }

  /** @throws VisageError `upload_too_large`, and what the calls throw */
  upload(upload: Upload, signal: AbortSignal, progress: (part: number) => void): Promise<Answer> {
    return this.#attempt(signal, (ticket) => {
      assertSize(upload.file, ticket.maxBytes);
      return sendPicture(this.base, ticket, upload, signal, progress);
    });
  }

  async remove(signal: AbortSignal): Promise<undefined> {
    await this.#attempt(signal, (ticket) => call(this.base, ticket, signal, 'DELETE'));
    return undefined;
  }

  restore(version: string, signal: AbortSignal): Promise<Answer> {
    return this.#attempt(signal, (ticket) => {
      return call(this.base, ticket, signal, 'PUT', '/current', { version }) as Promise<Answer>;
    });
  }

  history(signal: AbortSignal): Promise<History> {
    return this.#attempt(signal, (ticket) => {
      return call(this.base, ticket, signal, 'GET', '/versions') as Promise<History>;
    });
  }

  async #attempt<T>(signal: AbortSignal, task: (ticket: Ticket) => Promise<T>): Promise<T> {
    const once = async () => {
      const ticket = await this.#ticket(signal);
      signal.throwIfAborted();
      return task(ticket);
    };
    try {
      return await once();
    } catch (error) {
      // It is expired, outdated or used: another one may do.
      if (error instanceof VisageError && error.code.startsWith('ticket_')) return once();
      throw error;
    }
  }

  /** @throws VisageError `no_ticket`, `no_connection` */
  async #ticket(signal: AbortSignal): Promise<Ticket> {
    const { getTicket } = this.#client;
    const ask = getTicket ?? (() => fetchTicket(this.#client.getAttribute('ticket-url') ?? '', signal));
    const cancelled = new Promise<never>((_, reject) => {
      signal.onabort = () => {
        reject(signal.reason as DOMException);
      };
    });
    try {
      return readTicket(await Promise.race([ask(), cancelled]));
    } catch (error) {
      if (error instanceof VisageError) throw error;
      throw new VisageError('no_ticket', `getTicket fails: ${String(error)}`);
    }
  }
}

/** @throws VisageError `upload_too_large` */
export function assertSize({ size }: Blob, maxBytes: number): void {
  if (size <= maxBytes) return;
  const detail = `The file has ${size} of at most ${maxBytes} bytes.`;
  throw new VisageError('upload_too_large', detail, { maxBytes });
}
